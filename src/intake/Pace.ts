/** The shortest time between the beginnings of two messages to the broker, unless many purchases wait. */
export const paceMillisecondsMin = 4
/**
 * The longest time between the beginnings of two messages. A broker that takes longer to answer is slow for other
 * reasons than its load.
 */
export const paceMillisecondsMax = 16

/**
 * Returns the time between the beginnings of two messages, given how long the broker took to answer the last. All times
 * are milliseconds. The cost of a message hardly depends on its size. Under load, fewer and larger messages leave more
 * of the machine to the rest, and are answered sooner.
 */
export const paceOf = (answeredAfterMilliseconds: number): number =>
  Math.min(Math.max(answeredAfterMilliseconds, paceMillisecondsMin), paceMillisecondsMax)
