import { Context } from "effect"
import type { AlertPosition } from "../protocol/AlertPosition.ts"
import { Outbox } from "./Outbox.ts"
import { WindowCache } from "./WindowCache.ts"

/**
 * Makes the outbox and the window states of a run, which have a bound. `ShardState` is a reference with a default, so
 * that tests can set smaller bounds, and can plant mistakes.
 */
export const ShardState = Context.Reference<{
  readonly outbox: (stored: AlertPosition) => Outbox
  /**
   * Makes the cache of the window states of a shard. `entriesMax` bounds the purchases in all window states together.
   */
  readonly windows: (entriesMax: number) => WindowCache
}>("purchases/judge/ShardState", {
  defaultValue: () => ({
    outbox: (stored) => new Outbox(stored),
    windows: (entriesMax) => new WindowCache(entriesMax)
  })
})
