import { Duration } from "effect"

const nanosecondsPerMillisecond = 1_000_000

/** Converts a duration to nanoseconds, the unit of the broker's API. */
export const nanosecondsOf = (time: Duration.Duration): number => Duration.toMillis(time) * nanosecondsPerMillisecond
