import { Duration, Effect, Semaphore } from "effect"

/**
 * The work after which readers that catch up rest. Other requests of the edge wait for at most about this time, because
 * a piece of work is seldom longer.
 */
const workMax = Duration.millis(4)

/**
 * The turns in which the readers of a feed take stored messages. After some work all readers rest for as long as the
 * work took. Readers that catch up thus use at most half of an edge's time, and the other requests are served in
 * between.
 */
export class CatchUpTurns {
  private readonly turns = Semaphore.makeUnsafe(1)
  private readonly now: () => number
  /** The time of the work since the last rest, in milliseconds. */
  private worked = 0

  /** `now` returns the present time in milliseconds, with fractions. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now
  }

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
