const ackPrefix = "$JS.ACK."
/**
 * The number of parts of a reply subject without a domain and an account hash. A subject with a domain and an account
 * hash has the sequence at a higher index.
 */
const plainParts = 9
const sequenceAt = 5
const sequenceWithDomainAt = 7
/** The number of digits that a time in nanoseconds has more than the same time in milliseconds. */
const digitsBeyondMilliseconds = 6

/**
 * The numbers that the broker writes into the reply subject of a delivery. A delivery is acknowledged on its reply
 * subject.
 */
export interface AckSubject {
  /** The sequence of the delivered message in its stream. */
  readonly sequence: number
  /** The consumer's own count of deliveries, from 1 without a gap. */
  readonly deliverySequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
}

/**
 * Returns the number of messages that the consumer had not delivered when it made a delivery. The number of pending
 * messages is in the reply subject of the delivery.
 */
export const pendingAfter = (reply: string): number => {
  const parts = reply.split(".")
  return Number(parts[(parts.length > plainParts ? sequenceWithDomainAt : sequenceAt) + 3])
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
    // The digits of the time below a millisecond are cut off, as in other reads of the message. If the whole time in
    // nanoseconds were converted to a number, it would be rounded.
    storedAt: Number(parts[base + 2]?.slice(0, -digitsBeyondMilliseconds))
  }
}
