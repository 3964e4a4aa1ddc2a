const ackPrefix = "$JS.ACK."
/**
 * The number of parts of a reply subject without a domain and an account hash. The index of the sequence depends on
 * them.
 */
const plainParts = 9
const sequenceAt = 5
const sequenceWithDomainAt = 7
/** The digits of a time in nanoseconds below milliseconds. */
const digitsBeyondMilliseconds = 6

/**
 * The reply subject of a delivery, on which it is acknowledged. The broker writes the numbers of the delivery into it.
 */
export interface AckSubject {
  /** The sequence of the delivered message in its stream. */
  readonly sequence: number
  /** The consumer's own count of deliveries, from 1 without a gap. */
  readonly deliverySequence: number
  /** When the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
}

/** Returns whether a reply subject is that of a delivery. */
export const isAckSubject = (reply: string): boolean => reply.startsWith(ackPrefix)

/** Reads the reply subject of a delivery, with or without a domain and an account hash in it. */
export const readAckSubject = (reply: string): AckSubject => {
  const parts = reply.split(".")
  const base = parts.length > plainParts ? sequenceWithDomainAt : sequenceAt
  return {
    sequence: Number(parts[base]),
    deliverySequence: Number(parts[base + 1]),
    // As a number the time would be rounded, sometimes to the next millisecond. Other reads of the message truncate.
    storedAt: Number(parts[base + 2]?.slice(0, -digitsBeyondMilliseconds))
  }
}
