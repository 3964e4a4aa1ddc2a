import type { Range, Workload } from "./Workload.ts"

/** How many purchases one call publishes, and how many wait for their answer at most. */
export const callPurchases = 250
export const outstandingMax = 8_000

/** A part of a workload to publish, sent to a publisher by the benchmark. */
export interface PublishOrder extends Range {
  readonly workload: Workload
  /** Whether each copy has to be stored, also of what was sent just now. */
  readonly isDistinct?: boolean
}
