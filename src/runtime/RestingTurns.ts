import { Clock, Duration, Effect, Semaphore } from "effect"

/** The work after which a rest follows. A piece of work is seldom longer, so other requests wait about this long. */
const workMax = Duration.millis(4)

/**
 * The turns in which an edge does large pieces of work, one at a time. After some work the edge begins no large piece for as
 * long as the work took. The large pieces thus use at most half of an edge's time, and other requests are served in between.
 */
export class RestingTurns {
  private readonly turns = Semaphore.makeUnsafe(1)
  private readonly now: () => number
  /** The time of the work since the last rest, in milliseconds. */
  private worked = 0

  /** `now` returns the present time in milliseconds, with fractions. */
  constructor(now: () => number) {
    this.now = now
  }

  /** Makes turns that measure their work by the present clock. */
  static readonly make = Effect.map(
    Clock.Clock,
    (clock) => new RestingTurns(() => Number(clock.currentTimeNanosUnsafe()) / 1_000_000)
  )

  /** Waits for a turn, and then does a piece of work, which does not wait for anything. */
  take(work: () => void): Effect.Effect<void> {
    return this.turns.withPermit(
      Effect.suspend(() => {
        const began = this.now()
        work()
        this.worked += this.now() - began
        if (this.worked < Duration.toMillis(workMax)) return Effect.void
        const rest = this.worked
        this.worked = 0
        return Effect.sleep(rest)
      })
    )
  }
}
