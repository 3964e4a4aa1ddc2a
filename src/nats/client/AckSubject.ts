const ackPrefix = "$JS.ACK."
/**
 * The number of parts of a delivery's reply subject without a domain and an account hash. In a reply subject with a
 * domain and an account hash, the sequence has a higher index.
 */
const plainParts = 9
const sequenceAt = 5
const sequenceWithDomainAt = 7
/** The number of digits by which a time in nanoseconds is longer than the same time in milliseconds. */
const digitsBeyondMilliseconds = 6

/**
 * The numbers that the broker writes into the reply subject of a delivery. A receiver acknowledges a delivery by a
 * message to the reply subject of the delivery.
 */
export interface AckSubject {
  /** The sequence of the delivered message in its stream. */
  readonly sequence: number
  /** The number of the delivery: the consumer counts its deliveries from 1, without a gap. */
  readonly deliverySequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
}

/**
 * Returns the number of messages that the consumer still had to deliver after a delivery, from the reply subject of the
 * delivery.
 */
export const pendingAfter = (reply: string): number => {
  const parts = reply.split(".")
  return Number(parts[(parts.length > plainParts ? sequenceWithDomainAt : sequenceAt) + 3])
}

/** Returns whether a reply subject is the reply subject of a delivery. */
export const isAckSubject = (reply: string): boolean => reply.startsWith(ackPrefix)

/** Reads the reply subject of a delivery, with or without a domain and an account hash in the subject. */
export const readAckSubject = (reply: string): AckSubject => {
  const parts = reply.split(".")
  const base = parts.length > plainParts ? sequenceWithDomainAt : sequenceAt
  return {
    sequence: Number(parts[base]),
    deliverySequence: Number(parts[base + 1]),
    // The digits of the time below a millisecond are cut off, as other reads of a message do. A conversion of the whole
    // time in nanoseconds to a number would round the time.
    storedAt: Number(parts[base + 2]?.slice(0, -digitsBeyondMilliseconds))
  }
}
