import { Effect, type Scope } from "effect"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import type { Randomness } from "./Randomness.ts"

/** How unkind the way between a process and the broker is. Chances are of each request. */
export interface Unkindness {
  /** The request never arrives. */
  readonly requestLost: number
  /** The request arrives, its answer does not. */
  readonly answerLost: number
  /** The request arrives long after its sender gave up. */
  readonly requestLate: number
  /** A delivery never arrives. */
  readonly deliveryLost: number
  /** A delivery comes once more. */
  readonly redelivered: number
}

export const kind: Unkindness = {
  requestLost: 0,
  answerLost: 0,
  requestLate: 0,
  deliveryLost: 0,
  redelivered: 0
}

const travelMillisecondsMax = 4
const answerWaitMilliseconds = 5_000
const lateMillisecondsMax = 20_000

/**
 * The way between one process and the broker. What is on its way is the network's, not the process's: it arrives also
 * when its sender is dead by then. `freeze` holds everything back that goes to and from the process.
 */
export class Link {
  readonly name: string
  private readonly world: World
  isUp = true
  isDead = false
  private readonly reconnects = new Set<() => void>()
  private readonly disconnects = new Set<() => void>()

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  /** Asks the broker: `apply` runs at the broker when the request arrives. */
  ask<A>(operation: string, apply: () => A): Effect.Effect<A, BrokerUnavailable | OutcomeUnknown> {
    const { world } = this
    const unknown = (reason: string) => Effect.fail(new OutcomeUnknown({ operation, reason }))
    return Effect.callback<A, BrokerUnavailable | OutcomeUnknown>((resume) => {
      if (!this.isUp) return resume(Effect.fail(new BrokerUnavailable({ operation, reason: "not connected" })))
      const { random, unkindness } = world
      const fate = random.next()
      const { requestLost, answerLost, requestLate } = unkindness
      const isLost = fate < requestLost
      const isLate = !isLost && fate < requestLost + requestLate
      const isAnswerLost = isLate || (!isLost && fate < requestLost + requestLate + answerLost)
      let isSettled = false
      const settle = (result: Effect.Effect<A, BrokerUnavailable | OutcomeUnknown>) => {
        if (isSettled || this.isDead) return
        isSettled = true
        this.disconnects.delete(broke)
        resume(result)
      }
      const broke = () => settle(unknown("the connection broke"))
      this.disconnects.add(broke)
      if (isLost || isAnswerLost) world.after(answerWaitMilliseconds, () => settle(unknown("no answer in time")))
      if (isLost) return
      const travel = isLate ? answerWaitMilliseconds + random.below(lateMillisecondsMax) : world.travel()
      world.after(travel, () => {
        const answer = apply()
        if (!isAnswerLost) world.after(world.travel(), () => settle(Effect.succeed(answer)))
      })
    })
  }

  /** Brings something from the broker, unless the process is dead or away when it arrives. */
  bring(arrive: () => void): void {
    if (!this.isUp || this.isDead) return
    const { reconnected } = this
    this.world.afterInOrder(this.name, () => {
      if (!this.isDead && this.isUp && this.reconnected === reconnected) arrive()
    })
  }

  private reconnected = 0

  disconnect(): void {
    this.isUp = false
    for (const broke of [...this.disconnects]) broke()
  }

  reconnect(): void {
    if (this.isUp) return
    this.isUp = true
    this.reconnected += 1
    for (const listener of this.reconnects) listener()
  }

  /** Nothing comes back to it any more, and what it does from now on goes nowhere. */
  die(): void {
    this.isDead = true
    this.isUp = false
    this.disconnects.clear()
  }

  onReconnect(listener: () => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.reconnects.add(listener)),
      () => Effect.sync(() => void this.reconnects.delete(listener))
    )
  }
}

/** Time and chance of one simulated run. Time is Effect's TestClock; everything that is not instant sleeps on it. */
export class World {
  readonly random: Randomness
  unkindness: Unkindness
  readonly now: () => number
  private readonly run: (effect: Effect.Effect<void>) => void
  private readonly lastArrival = new Map<string, number>()

  constructor(
    random: Randomness,
    unkindness: Unkindness,
    now: () => number,
    run: (effect: Effect.Effect<void>) => void
  ) {
    this.random = random
    this.unkindness = unkindness
    this.now = now
    this.run = run
  }

  travel(): number {
    return 1 + this.random.below(travelMillisecondsMax)
  }

  after(milliseconds: number, happens: () => void): void {
    this.run(Effect.andThen(Effect.sleep(Math.max(1, milliseconds)), Effect.sync(happens)))
  }

  /** Events of one connection arrive in the order in which they were sent. */
  afterInOrder(connection: string, happens: () => void): void {
    const at = Math.max(this.now() + this.travel(), this.lastArrival.get(connection) ?? 0)
    this.lastArrival.set(connection, at)
    this.after(at - this.now(), happens)
  }
}
