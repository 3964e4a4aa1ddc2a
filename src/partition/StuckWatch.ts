import { Clock, Duration, Effect } from "effect"
import { pullHeartbeat } from "../nats/PullSession.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import type { HeldInput } from "./HeldInput.ts"

/** The wait between two checks of an epoch. The broker sends a heartbeat for a pull request at least this often. */
const checkEvery = pullHeartbeat
/**
 * The number of checks in a row without a message of the broker after which the epoch's consumer counts as lost.
 * Elapsed time alone would not show the loss, because this process itself may have been frozen. A process that was
 * frozen receives the broker's messages of that time before its next check.
 */
const silentChecksMax = 3
/**
 * The longest wait of a question for input while no input comes. After this time, the awaited input counts as lost on
 * its way.
 */
const questionStuckMax = Duration.seconds(2)

interface Watched {
  /** Returns for how many milliseconds the broker has sent nothing during a pull request. */
  readonly silence: () => number
  readonly dispatched: DispatchWatermark
  readonly held: HeldInput
}

/** Waits until an epoch is stuck, because expected input does not come. Returns the reason why the epoch is stuck. */
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
    if (silentChecks === silentChecksMax) return `the broker was not heard at ${silentChecksMax} checks`
    const { dispatchedThrough } = dispatched
    const isStuck = dispatched.isAwaited && dispatchedThrough === dispatchedBefore && held.isEmpty
    stuckChecks = isStuck ? stuckChecks + 1 : 0
    const stuckFor = Duration.times(checkEvery, stuckChecks)
    if (Duration.isGreaterThan(stuckFor, questionStuckMax)) return "input that a question waits for did not come"
    dispatchedBefore = dispatchedThrough
  }
})
