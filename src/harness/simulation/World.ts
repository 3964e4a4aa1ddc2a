import { Clock, Duration, Effect, type Fiber, Random } from "effect"
import { EventQueue } from "./EventQueue.ts"
import { Randomness } from "./Randomness.ts"
import { SeededScheduler } from "./SeededScheduler.ts"

/** The chances of problems of the network and of the broker. Each chance is for one request or message. */
export interface Unkindness {
  /** The chance that a request does not arrive. */
  readonly requestLost: number
  /** The chance that a request arrives, and its answer does not arrive. */
  readonly answerLost: number
  /** The chance that a request arrives long after its sender gave up. */
  readonly requestLate: number
  /** The chance that the broker refuses a request and does nothing. */
  readonly refused: number
  /** The chance that a message from the broker does not arrive. */
  readonly deliveryLost: number
  /** The chance that the broker delivers a message of the input log again before the message is committed. */
  readonly redelivered: number
  /** The chance that a message from the broker arrives after the next message. */
  readonly reordered: number
  /**
   * The chance that a replica that is behind answers a read. A replica that is behind lacks some of the messages that
   * the leader has.
   */
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

/**
 * The longest time of a message between two processes, in milliseconds. Each message takes at least one millisecond.
 */
const travelMillisecondsMax = 4

/**
 * The time and the randomness of one simulated run. Sleeping fibers and messages in flight wait in one queue, so that
 * the run goes from one event to the next. The clock of the fibers works like Effect's TestClock. TestClock itself
 * would start two fibers for each step of time.
 */
export class World {
  readonly random: Randomness
  readonly scheduler: SeededScheduler
  readonly clock: Clock.Clock
  unkindness: Unkindness
  private readonly fiberRandom = {
    nextIntUnsafe: () => this.random.below(Number.MAX_SAFE_INTEGER),
    nextDoubleUnsafe: () => this.random.next()
  }
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

  /** Starts an effect in this world. The effect runs when `run` is called. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    const inWorld = effect.pipe(
      Effect.provideService(Clock.Clock, this.clock),
      Effect.provideService(Random.Random, this.fiberRandom)
    )
    return Effect.runFork(inWorld, { scheduler: this.scheduler })
  }

  travel(): number {
    return 1 + this.random.below(travelMillisecondsMax)
  }

  /** Runs a function after a time. Returns a function that cancels the planned run. */
  after(milliseconds: number, happens: () => void): () => void {
    return this.queue.plan(this.now() + Math.max(1, Math.ceil(milliseconds)), happens)
  }

  /** Runs events until a time, or until no event is left. */
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
