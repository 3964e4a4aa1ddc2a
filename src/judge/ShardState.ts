import { Context } from "effect"
import type { AlertPosition } from "../protocol/AlertPosition.ts"
import { Outbox } from "./Outbox.ts"
import { WindowCache } from "./WindowCache.ts"

/**
 * Makes the parts of a run that have a state and a bound. This is a reference with a default, so that tests can make
 * smaller parts, and parts with a mistake.
 */
export const ShardState = Context.Reference<{
  readonly outbox: (stored: AlertPosition) => Outbox
  /** Makes the window states of a shard, with the bound of their entries. */
  readonly windows: (entriesMax: number) => WindowCache
}>("purchases/judge/ShardState", {
  defaultValue: () => ({
    outbox: (stored) => new Outbox(stored),
    windows: (entriesMax) => new WindowCache(entriesMax)
  })
})
