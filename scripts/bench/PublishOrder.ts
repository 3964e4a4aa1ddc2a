import type { Range, Workload } from "./Workload.ts"

/** The purchases of one call, and the most that wait for their answer. */
export const callPurchases = 250
export const outstandingMax = 8_000

/** A part of a workload to publish, sent to a publisher by the benchmark. */
export interface PublishOrder extends Range {
  readonly workload: Workload
  /** Whether each copy has to be stored, also of a purchase that was sent just now. */
  readonly storeEveryCopy?: boolean
}
