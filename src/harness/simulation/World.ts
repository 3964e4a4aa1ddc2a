import { Clock, Duration, Effect, type Fiber } from "effect"
import { EventQueue } from "./EventQueue.ts"
import { Randomness } from "./Randomness.ts"
import { SeededScheduler } from "./SeededScheduler.ts"

/** How unkind the way between a process and the broker is, and the broker itself. Chances are of each request. */
export interface Unkindness {
  /** The request never arrives. */
  readonly requestLost: number
  /** The request arrives, its answer does not. */
  readonly answerLost: number
  /** The request arrives long after its sender gave up. */
  readonly requestLate: number
  /** The broker refuses it, and does nothing: a whole batch, or a message. */
  readonly refused: number
  /** A delivery never arrives. */
  readonly deliveryLost: number
  /** A delivery comes once more, while the first is in hand. */
  readonly redelivered: number
  /** A delivery comes after the one behind it. */
  readonly reordered: number
  /** A replica answers a read that may be behind, with nothing newer than what the process was told of. */
  readonly behind: number
}

export const kind: Unkindness = {
  requestLost: 0,
  answerLost: 0,
  requestLate: 0,
  refused: 0,
  deliveryLost: 0,
  redelivered: 0,
  reordered: 0,
  behind: 0
}

/** A message takes one to so many milliseconds from one process to another. */
const travelMillisecondsMax = 4

/**
 * Time and chance of one simulated run. What waits for a time, a sleep of a fiber as well as a message on its way,
 * stands in one queue, so that the run goes from one event to the next. The clock that fibers get is one of Effect like
 * its TestClock, whose turning would start two fibers for each step of time: a quarter of what a run takes.
 */
export class World {
  readonly random: Randomness
  readonly scheduler: SeededScheduler
  readonly clock: Clock.Clock
  unkindness: Unkindness
  private time = 0
  private readonly queue = new EventQueue()

  constructor(seed: number, unkindness: Unkindness) {
    this.random = new Randomness(seed)
    this.scheduler = new SeededScheduler(this.random)
    this.unkindness = unkindness
    const nanoseconds = () => BigInt(this.time) * 1_000_000n
    this.clock = {
      currentTimeMillisUnsafe: this.now,
      currentTimeMillis: Effect.sync(this.now),
      currentTimeNanosUnsafe: nanoseconds,
      currentTimeNanos: Effect.sync(nanoseconds),
      monotonicTimeNanosUnsafe: nanoseconds,
      monotonicTimeNanos: Effect.sync(nanoseconds),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const wake = this.after(Duration.toMillis(duration), () => resume(Effect.void))
          return Effect.sync(wake)
        })
    }
  }

  readonly now = (): number => this.time

  /** Starts an effect in this world; it runs when the world does. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runFork(Effect.provideService(effect, Clock.Clock, this.clock), { scheduler: this.scheduler })
  }

  travel(): number {
    return 1 + this.random.below(travelMillisecondsMax)
  }

  /** Answers how to cancel it. */
  after(milliseconds: number, happens: () => void): () => void {
    return this.queue.plan(this.now() + Math.max(1, Math.ceil(milliseconds)), happens)
  }

  /** Lets things happen until a time, or until nothing is left to do. */
  run(until: number, isDone: () => boolean = () => false): void {
    this.scheduler.run()
    while (!isDone()) {
      const at = this.queue.nextAt
      if (at === undefined || at > until) return
      const happens = this.queue.take()
      this.time = at
      happens?.()
      this.scheduler.run()
    }
  }
}
