/** The time between two attempts to store a message while most brokers are gone, in milliseconds. */
const tryEveryMilliseconds = 1_000
/** The time after a failed message for which the next message is expected to fail, in milliseconds. */
const triedLatelyMilliseconds = 15_000

/**
 * Remembers since when every message to the input log has failed to be stored. All arguments are times in milliseconds
 * by one clock.
 */
export class StoreOutage {
  private failingSince: number | undefined
  private triedAt = Number.NEGATIVE_INFINITY

  /**
   * Returns whether the newest message to the input log failed less than {@link tryEveryMilliseconds} ago, so that a
   * further message would also fail.
   */
  isTriedLately(now: number): boolean {
    return this.failingSince !== undefined && now - this.triedAt < tryEveryMilliseconds
  }

  /** Takes note that a message is sent to the input log. */
  began(now: number): void {
    this.triedAt = now
  }

  /** Takes note whether the message that was sent at `sentAt` was stored. */
  ended(isStored: boolean, sentAt: number): void {
    this.failingSince = isStored ? undefined : (this.failingSince ?? sentAt)
  }

  /**
   * Returns for how many milliseconds all messages have failed to be stored; 0 if the newest was stored, or if no
   * message was sent lately.
   */
  failingFor(now: number): number {
    if (this.failingSince === undefined || now - this.triedAt > triedLatelyMilliseconds) return 0
    return now - this.failingSince
  }
}
