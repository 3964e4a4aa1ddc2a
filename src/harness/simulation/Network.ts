import { Effect, type Scope } from "effect"
import { BrokerRefused, BrokerUnavailable, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import type { World } from "./World.ts"

/** Shorter than the five seconds of the real services, so that more happens in a run; the order of things is the same. */
const answerWaitMilliseconds = 1_000
const lateMillisecondsMax = 6_000
/** The broker has "insufficient resources" for what it refuses without a reason of its own. */
const refusedCode = 10_023

/**
 * The way between one process and the broker. What is on its way is the network's, not the process's: it arrives also
 * when its sender is dead by then.
 */
export class Link {
  readonly name: string
  private readonly world: World
  isUp = true
  isDead = false
  private isHeld = false
  private deafUntil = 0
  /** Of what the process is to die, and whether the broker has done it by then. */
  private fatal: { readonly operation: string; readonly isApplied: boolean; readonly die: () => void } | undefined
  private readonly held: Array<() => void> = []
  /** Counts the connections, because what is brought over one is gone with it. */
  private connection = 0
  private lastArrival = 0
  private readonly reconnects = new Set<() => void>()
  private readonly underWay = new Set<() => void>()

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  /** Asks the broker: `apply` runs at the broker when the request arrives. */
  ask<A>(operation: string, apply: () => A): Effect.Effect<A, BrokerUnavailable | OutcomeUnknown | BrokerRefused> {
    const { world } = this
    const { random, unkindness } = world
    return Effect.callback((resume) => {
      if (!this.isUp) return resume(Effect.fail(new BrokerUnavailable({ operation, reason: "not connected" })))
      const { requestLost, requestLate, answerLost, refused } = unkindness
      let fate = random.next()
      const falls = (chance: number): boolean => {
        fate -= chance
        return fate < 0 && fate + chance >= 0
      }
      const isLost = falls(requestLost)
      const isLate = falls(requestLate)
      const isAnswerLost = falls(answerLost)
      const isRefused = falls(refused)
      let isSettled = false
      let forget = () => {}
      const settle = (result: Effect.Effect<A, OutcomeUnknown | BrokerRefused>) => {
        if (isSettled || this.isDead) return
        isSettled = true
        forget()
        resume(result)
      }
      const broke = () => settle(Effect.fail(new OutcomeUnknown({ operation, reason: "the connection broke" })))
      const unanswered = () => settle(Effect.fail(new OutcomeUnknown({ operation, reason: "no answer in time" })))
      this.underWay.add(broke)
      const cancelWait = world.after(answerWaitMilliseconds, unanswered)
      forget = () => {
        cancelWait()
        this.underWay.delete(broke)
      }
      if (isLost) return
      const { connection } = this
      const arrive = () => {
        // What a broken connection had not brought yet may be gone with it.
        if (this.connection !== connection && random.chance(0.5)) return
        const fatal = !this.isDead && this.fatal?.operation === operation ? this.fatal : undefined
        const answer = isRefused || fatal?.isApplied === false ? undefined : { value: apply() }
        if (fatal !== undefined) return fatal.die()
        if (isLate || isAnswerLost) return
        const reply = () =>
          settle(
            answer === undefined
              ? Effect.fail(new BrokerRefused({ operation, code: refusedCode, reason: "insufficient resources" }))
              : Effect.succeed(answer.value)
          )
        world.after(world.travel(), () => this.pass(reply))
      }
      const travel = isLate ? answerWaitMilliseconds + random.below(lateMillisecondsMax) : world.travel()
      world.after(travel, () => this.pass(arrive))
    })
  }

  /** Says something to the broker that nobody waits for. */
  tell(apply: () => void): void {
    if (!this.isUp || this.world.random.chance(this.world.unkindness.requestLost)) return
    const { connection } = this
    this.world.after(this.world.travel(), () =>
      this.pass(() => {
        if (this.connection === connection) apply()
      })
    )
  }

  /** Brings something from the broker, in the order in which it was sent, unless the process is dead or away then. */
  bring(arrive: () => void): void {
    this.bringAt(Math.max(this.world.now() + this.world.travel(), this.lastArrival), arrive)
  }

  /** Brings something, and what comes after it may be faster. */
  bringLate(arrive: () => void): void {
    const { lastArrival } = this
    this.bringAt(this.world.now() + 4 * this.world.travel(), arrive)
    this.lastArrival = lastArrival
  }

  private bringAt(at: number, arrive: () => void): void {
    if (!this.isUp || this.isDead) return
    const { connection } = this
    this.lastArrival = at
    this.world.after(at - this.world.now(), () =>
      this.pass(() => {
        if (!this.isDead && this.isUp && this.connection === connection) arrive()
      })
    )
  }

  private pass(happens: () => void): void {
    if (this.isHeld) this.held.push(happens)
    else happens()
  }

  /** From now on nothing goes to or from the process, and nothing is lost: a process that is stopped, or far away. */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    this.isHeld = false
    for (const happens of this.held.splice(0)) this.world.after(this.world.travel(), () => this.pass(happens))
  }

  /** For a while, signs of life and deliveries are lost on their way to it, and its questions and answers are not. */
  deafen(milliseconds: number): void {
    this.deafUntil = this.world.now() + milliseconds
  }

  get isDeaf(): boolean {
    return this.world.now() < this.deafUntil
  }

  /** Has the process die when the next request of a kind is at the broker, just before it is applied, or just after. */
  dieOf(operation: string, isApplied: boolean, die: () => void): void {
    this.fatal = {
      operation,
      isApplied,
      die: () => {
        this.fatal = undefined
        die()
      }
    }
  }

  spare(): void {
    this.fatal = undefined
  }

  disconnect(): void {
    this.isUp = false
    this.connection += 1
    for (const broke of this.underWay) broke()
  }

  reconnect(): void {
    if (this.isUp || this.isDead) return
    this.isUp = true
    for (const listener of this.reconnects) listener()
  }

  /** Nothing comes back to it any more, and what it does from now on goes nowhere. */
  die(): void {
    this.isDead = true
    this.isUp = false
    this.underWay.clear()
  }

  onReconnect(listener: () => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.reconnects.add(listener)),
      () => Effect.sync(() => void this.reconnects.delete(listener))
    )
  }
}
