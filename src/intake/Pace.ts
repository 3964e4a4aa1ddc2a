/** The shortest time from the sending of one message to that of the next message, unless many purchases wait. */
export const paceMillisecondsMin = 4
/**
 * The longest time for which the pace holds the next message back. A broker that takes longer to answer is slow for
 * other reasons than its load.
 */
export const paceMillisecondsMax = 16

/**
 * Returns the time from the sending of one message to that of the next message. The argument is the time that the
 * broker took to answer the newest message. Both times are in milliseconds. The cost of a message hardly depends on its
 * size. Under load, fewer and larger messages leave more of the machine to other work, and are answered sooner.
 */
export const paceOf = (answeredAfterMilliseconds: number): number =>
  Math.min(Math.max(answeredAfterMilliseconds, paceMillisecondsMin), paceMillisecondsMax)
