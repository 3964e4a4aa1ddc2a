/** The shortest time between the sending of one message and the sending of the next, unless many purchases wait. */
export const paceMillisecondsMin = 4
/**
 * The longest time for which an edge holds the next message back. A broker that takes longer than
 * {@link paceMillisecondsMax} to answer is slow for other reasons than its load.
 */
export const paceMillisecondsMax = 16

/**
 * Returns the time between the sending of one message and the sending of the next. The argument is the time that the
 * broker took to answer the newest message. The argument and the result are in milliseconds. The cost of a message
 * hardly depends on its size. Under load, fewer and larger messages leave more processor time to other work, and the
 * broker answers these messages sooner.
 */
export const paceOf = (answeredAfterMilliseconds: number): number =>
  Math.min(Math.max(answeredAfterMilliseconds, paceMillisecondsMin), paceMillisecondsMax)
