/** Messages to the broker begin at least this far apart, unless much waits. */
export const paceMillisecondsMin = 4
/** A broker that takes longer than this to answer is slow for other reasons than its load. */
export const paceMillisecondsMax = 16

/**
 * How long after the beginning of one message the next may begin, given how long the broker took to answer
 * the last: what one costs hardly depends on what is in it, so under load fewer and larger ones leave more of the
 * machine to everything else, and are answered sooner. All in milliseconds.
 */
export const paceOf = (answeredAfterMilliseconds: number): number =>
  Math.min(Math.max(answeredAfterMilliseconds, paceMillisecondsMin), paceMillisecondsMax)
