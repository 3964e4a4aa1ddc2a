import type { Range, Workload } from "./Workload.ts"

/** The number of purchases of one call, and the most purchases that wait for their answer. */
export const callPurchases = 250
export const outstandingMax = 8_000

/** A part of a workload to publish, sent to a publisher by the benchmark. */
export interface PublishOrder extends Range {
  readonly workload: Workload
  /** Whether each copy of a purchase has to be stored, also within the broker's duplicate window. */
  readonly storeEveryCopy?: boolean
}
