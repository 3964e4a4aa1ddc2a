/** The time between two attempts to store a message while most brokers are gone, in milliseconds. */
const tryEveryMilliseconds = 1_000
/**
 * The time for which a failed message predicts that the next message fails, in milliseconds. When this time is over, a
 * new message may be stored.
 */
const triedLatelyMilliseconds = 15_000

/** Remembers since when every message to the input log has failed. All times are in milliseconds, by the same clock. */
export class StoreOutage {
  private failingSince: number | undefined
  private triedAt = Number.NEGATIVE_INFINITY

  /**
   * Returns whether the newest message to the input log failed, and was sent so lately that another message would fail
   * too.
   */
  isTriedLately(now: number): boolean {
    return this.failingSince !== undefined && now - this.triedAt < tryEveryMilliseconds
  }

  /** Takes note that a message is sent to the input log. */
  began(now: number): void {
    this.triedAt = now
  }

  /** Takes note of the outcome of the message that was sent at `sentAt`. */
  ended(isStored: boolean, sentAt: number): void {
    this.failingSince = isStored ? undefined : (this.failingSince ?? sentAt)
  }

  /**
   * Returns the milliseconds for which every message has failed; 0 if the newest message was stored, or if no message
   * was sent lately.
   */
  failingFor(now: number): number {
    if (this.failingSince === undefined || now - this.triedAt > triedLatelyMilliseconds) return 0
    return now - this.failingSince
  }
}
