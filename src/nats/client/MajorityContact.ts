/**
 * The age above which the newest message that a majority stored no longer shows that leaders are current. A follower of
 * nats-server waits at least four seconds after a message of its leader before it asks for votes. A leader is silent
 * for at most two seconds (`minElectionTimeout`, `hbInterval` and `notActive` in server/raft.go of version 2.15).
 */
export const contactMaxMilliseconds = 1_500
/**
 * The wait after a gap between stored messages. When a former leader can be reached again, it or the newer leader sends
 * a message to the other within two seconds, and the former leader notices the newer leader.
 */
export const returnWaitMilliseconds = 2_500

/**
 * Says whether a majority of the cluster's brokers has stored a message of this process lately. A broker that is cut
 * off from the other brokers may take itself for a leader for up to twenty seconds, and answers reads as a leader.
 * Meanwhile the other brokers elect another leader, and store messages that the former leader lacks. A broker that is
 * cut off cannot store a message, so a stored message shows that the brokers of this process were not cut off. The
 * stored message may belong to any stream, if each stream has a replica on each broker.
 *
 * All times are milliseconds of one monotonic clock.
 */
export class MajorityContact {
  /** The time at which this process sent the newest message that a majority has stored. */
  private sentAt = Number.NEGATIVE_INFINITY
  /** The time at which a message was stored after a gap. */
  private returnedAt = Number.NEGATIVE_INFINITY

  /** Notes at the time `now` that a majority has stored a message, which this process sent at the time `sentAt`. */
  stored(sentAt: number, now: number): void {
    // The first message of a connection ends no gap. A message that waited for the end of a gap still shows the gap.
    if (Number.isFinite(this.sentAt) && now - this.sentAt > contactMaxMilliseconds) this.returnedAt = now
    this.sentAt = Math.max(this.sentAt, sentAt)
  }

  /** Notes that the connection is lost. The next connection may lead to a broker that is cut off. */
  lost(): void {
    this.sentAt = Number.NEGATIVE_INFINITY
  }

  /** Returns whether the answers of leaders that this process gets are current at the time `now`. */
  isCurrent(now: number): boolean {
    return now - this.sentAt < contactMaxMilliseconds && now - this.returnedAt >= returnWaitMilliseconds
  }
}
