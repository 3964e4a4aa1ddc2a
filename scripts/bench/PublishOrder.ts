import type { Range, Workload } from "./Workload.ts"

/** The number of purchases that one call publishes, and the most purchases that wait for their answer. */
export const callPurchases = 250
export const outstandingMax = 8_000

/** The message with which the benchmark tells a publisher to publish a part of a workload. */
export interface PublishOrder extends Range {
  readonly workload: Workload
  /** Whether each copy of a purchase has to be stored, even within the broker's duplicate window. */
  readonly storeEveryCopy?: boolean
}
