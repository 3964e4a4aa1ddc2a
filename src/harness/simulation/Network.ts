import { Effect, type Scope } from "effect"
import { BrokerRefused, BrokerUnavailable, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import type { World } from "./World.ts"

/**
 * The longest wait for the answer to a request, in milliseconds. The time is shorter than the five seconds of the real
 * services, so that more happens in a run. The order of events is the same as with five seconds.
 */
const answerWaitMilliseconds = 1_000
const lateMillisecondsMax = 6_000
/** The broker's code for "insufficient resources", with which the simulated broker refuses requests at random. */
const refusedCode = 10_023

/** The network between one process and the broker. A message in flight arrives even if its sender has died. */
export class Link {
  readonly name: string
  private readonly world: World
  isUp = true
  isDead = false
  private isHeld = false
  private deafUntil = 0
  /** The operation at which the process dies, and whether the broker applies the operation before the process dies. */
  private fatal: { readonly operation: string; readonly isApplied: boolean; readonly die: () => void } | undefined
  private readonly held: Array<() => void> = []
  /** The number of the present connection. Messages of an earlier connection may be lost. */
  private connection = 0
  private lastArrival = 0
  private readonly reconnects = new Set<() => void>()
  private readonly underWay = new Set<() => void>()

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
  }

  /** Sends a request. `apply` runs at the broker when the request arrives. */
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
        // If the connection breaks before the answer arrives, the answer may be lost.
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

  /** Sends the broker a message that gets no answer. */
  tell(apply: () => void): void {
    if (!this.isUp || this.world.random.chance(this.world.unkindness.requestLost)) return
    const { connection } = this
    this.world.after(this.world.travel(), () =>
      this.pass(() => {
        if (this.connection === connection) apply()
      })
    )
  }

  /**
   * Delivers a message from the broker, in the order in which it was sent. The message is lost if the process is dead
   * or not connected when the message arrives.
   */
  bring(arrive: () => void): void {
    this.bringAt(Math.max(this.world.now() + this.world.travel(), this.lastArrival), arrive)
  }

  /** Delivers a message late, so that messages that are sent afterwards may arrive before the late message. */
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

  /**
   * Holds all messages to and from the process from now on, without losing them, as for a process that is stopped or
   * cut off.
   */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    this.isHeld = false
    for (const happens of this.held.splice(0)) this.world.after(this.world.travel(), () => this.pass(happens))
  }

  /**
   * Loses signs of life and deliveries to the process for a while. The requests of the process and their answers still
   * arrive.
   */
  deafen(milliseconds: number): void {
    this.deafUntil = this.world.now() + milliseconds
  }

  get isDeaf(): boolean {
    return this.world.now() < this.deafUntil
  }

  /**
   * Makes the process die at the next request of an operation, just before or just after the broker applies the
   * request.
   */
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

  /** Cuts the process off for ever. The process gets no message, and messages that it sends are dropped. */
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
