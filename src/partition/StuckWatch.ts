import { Effect } from "effect"
import { pullHeartbeatMilliseconds } from "../nats/PartitionConsumer.ts"
import type { makeDispatched } from "./Dispatched.ts"
import type { InHand } from "./InHand.ts"

/** Every so often an epoch looks whether it is stuck. */
const lookEveryMilliseconds = 1_000
/** A broker that was not heard on a pull for this long does not know our consumer any more. */
const pullSilenceMax = 3 * pullHeartbeatMilliseconds
/** A query's sequence that the consumer does not reach in this time, while nothing else comes, was lost on the way. */
const barrierStuckMilliseconds = 2_000

interface Watched {
  /** For how many milliseconds the broker was not heard. */
  readonly silence: () => number
  readonly dispatched: ReturnType<typeof makeDispatched>
  readonly inHand: InHand
}

/** Waits until an epoch gets nothing any more that it should get, and answers what it was. */
export const untilStuck = Effect.fnUntraced(function* ({ silence, dispatched, inHand }: Watched) {
  let before = -1
  let stuck = 0
  let wasSilent = false
  while (true) {
    yield* Effect.sleep(lookEveryMilliseconds)
    // Where it was this process that stood still, it hears before the next look what came meanwhile.
    const isSilent = silence() > pullSilenceMax
    if (isSilent && wasSilent) return `the broker was not heard for ${pullSilenceMax} ms`
    wasSilent = isSilent
    const isStuck = dispatched.awaited && dispatched.through === before && inHand.isEmpty
    stuck = isStuck ? stuck + lookEveryMilliseconds : 0
    if (stuck > barrierStuckMilliseconds) return "a sequence that a query waits for did not come"
    before = dispatched.through
  }
})
