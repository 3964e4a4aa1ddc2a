import { paceOf } from "./Pace.ts"
import type { PublishLane } from "./PublishLane.ts"

/** A lane with at least this many purchases is published without waiting. */
export const publishAtOncePurchases = 100

/** The clock of an edge, in milliseconds. */
export interface PacerClock {
  /** Returns the present time. */
  readonly now: () => number
  /** Runs a function after a number of milliseconds. */
  readonly after: (milliseconds: number, run: () => void) => void
}

/**
 * Decides when an edge publishes the purchases of its lanes. The edge publishes the lanes of all partitions at the same
 * moments. The lanes thus share the cost of waking up the broker and the workers. The pace sets the time between two
 * moments of publishing. A purchase that comes after a pause does not wait.
 */
export class PublishPacer {
  private readonly clock: PacerClock
  private readonly publish: (lane: PublishLane) => void
  private readonly due = new Set<PublishLane>()
  private publishedAt = Number.NEGATIVE_INFINITY
  private answeredAfterMilliseconds = 0
  private isScheduled = false

  constructor(clock: PacerClock, publish: (lane: PublishLane) => void) {
    this.clock = clock
    this.publish = publish
  }

  /**
   * Publishes a lane now, or together with the other lanes at the next moment of publishing. Does nothing if the lane
   * is not ready.
   */
  publishSoon(lane: PublishLane): void {
    if (!lane.isReady) return
    if (lane.length >= publishAtOncePurchases) return this.publish(lane)
    this.due.add(lane)
    if (this.isScheduled) return
    const rest = this.publishedAt + paceOf(this.answeredAfterMilliseconds) - this.clock.now()
    if (rest <= 0) return this.publishDue()
    this.isScheduled = true
    this.clock.after(rest, () => {
      this.isScheduled = false
      this.publishDue()
    })
  }

  /**
   * Tells the pacer how long the broker took to answer the newest message. The pace follows the time that the broker
   * takes to answer.
   */
  answeredAfter(milliseconds: number): void {
    this.answeredAfterMilliseconds = milliseconds
  }

  private publishDue(): void {
    this.publishedAt = this.clock.now()
    for (const lane of this.due) if (lane.isReady) this.publish(lane)
    this.due.clear()
  }
}
