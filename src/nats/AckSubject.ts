/** How many digits of a time in nanoseconds are beyond milliseconds. */
const digitsBeyondMilliseconds = 6

/** What the reply subject of a delivery says about it. */
export interface AckSubject {
  /** The message's sequence in its stream. */
  readonly sequence: number
  /** The consumer's own count of deliveries, from 1 without a gap. */
  readonly deliverySequence: number
  /** When the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
}

/** Reads the reply subject of a delivery, which has 9 parts, or more with a domain and an account hash. */
export const readAckSubject = (reply: string): AckSubject => {
  const parts = reply.split(".")
  const base = parts.length > 9 ? 7 : 5
  return {
    sequence: Number(parts[base]),
    deliverySequence: Number(parts[base + 1]),
    // As a number it would be rounded, and now and then to the next millisecond: other reads of the message truncate.
    storedAt: Number(parts[base + 2]?.slice(0, -digitsBeyondMilliseconds))
  }
}
