import { Clock, Duration, Effect } from "effect"
import { pullHeartbeat } from "../nats/PullSession.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import type { HeldInput } from "./HeldInput.ts"

/** The wait between two checks: the time in which the broker gives a sign of life on a pull. */
const checkEvery = pullHeartbeat
/**
 * A broker that was not heard at this many checks, one after another, has lost our consumer. Time alone does not tell: a
 * process that stood still hears the messages of that time before its next check.
 */
const silentChecksMax = 3
/** A question's sequence that does not come in this time, while nothing else comes, was lost on the way. */
const questionStuckMax = Duration.seconds(2)

interface Watched {
  /** Returns for how many milliseconds the broker was not heard. */
  readonly silence: () => number
  readonly dispatched: DispatchWatermark
  readonly held: HeldInput
}

/** Waits until an epoch does not get input that it should get. Returns the reason. */
export const untilStuck = Effect.fnUntraced(function* ({ silence, dispatched, held }: Watched) {
  let dispatchedBefore = -1
  let stuckChecks = 0
  let silentChecks = 0
  let checkedAt = yield* Clock.currentTimeMillis
  while (true) {
    yield* Effect.sleep(checkEvery)
    const now = yield* Clock.currentTimeMillis
    silentChecks = silence() >= now - checkedAt ? silentChecks + 1 : 0
    checkedAt = now
    if (silentChecks === silentChecksMax) return `the broker was not heard at ${silentChecksMax} looks`
    const { dispatchedThrough } = dispatched
    const isStuck = dispatched.isAwaited && dispatchedThrough === dispatchedBefore && held.isEmpty
    stuckChecks = isStuck ? stuckChecks + 1 : 0
    const stuckFor = Duration.times(checkEvery, stuckChecks)
    if (Duration.isGreaterThan(stuckFor, questionStuckMax)) return "a sequence that a query waits for did not come"
    dispatchedBefore = dispatchedThrough
  }
})
