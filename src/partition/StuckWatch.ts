import { Clock, Effect } from "effect"
import { pullHeartbeatMilliseconds } from "../nats/PartitionConsumer.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import type { InHand } from "./InHand.ts"

/** Every so often an epoch looks whether it is stuck: as often as the broker gives a sign of life on a pull. */
const lookEveryMilliseconds = pullHeartbeatMilliseconds
/**
 * A broker that was not heard on a pull at so many looks, one after another, does not know our consumer any more. Time
 * alone does not tell: where this process stood still, it hears before the next look what came meanwhile.
 */
const silentLooksMax = 3
/** A query's sequence that the consumer does not reach in this time, while nothing else comes, was lost on the way. */
const barrierStuckMilliseconds = 2_000

interface Watched {
  /** For how many milliseconds the broker was not heard. */
  readonly silence: () => number
  readonly dispatched: DispatchWatermark
  readonly inHand: InHand
}

/** Waits until an epoch gets nothing any more that it should get, and answers what it was. */
export const untilStuck = Effect.fnUntraced(function* ({ silence, dispatched, inHand }: Watched) {
  let before = -1
  let stuck = 0
  let silentLooks = 0
  let lookedAt = yield* Clock.currentTimeMillis
  while (true) {
    yield* Effect.sleep(lookEveryMilliseconds)
    const now = yield* Clock.currentTimeMillis
    silentLooks = silence() >= now - lookedAt ? silentLooks + 1 : 0
    lookedAt = now
    if (silentLooks === silentLooksMax) return `the broker was not heard at ${silentLooksMax} looks`
    const isStuck = dispatched.isAwaited && dispatched.dispatchedThrough === before && inHand.isEmpty
    stuck = isStuck ? stuck + lookEveryMilliseconds : 0
    if (stuck > barrierStuckMilliseconds) return "a sequence that a query waits for did not come"
    before = dispatched.dispatchedThrough
  }
})
