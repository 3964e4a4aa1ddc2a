import { Duration } from "effect"

const nanosecondsPerMillisecond = 1_000_000

/** Returns a time in nanoseconds, as the broker's API takes it. */
export const nanosecondsOf = (time: Duration.Duration): number => Duration.toMillis(time) * nanosecondsPerMillisecond
