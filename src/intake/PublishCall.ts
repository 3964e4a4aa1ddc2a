import type { EntryRequest } from "../account/Entry.ts"
import type { PublishResult } from "./PublishResult.ts"
import type { TraceContext } from "../runtime/Traces.ts"

/**
 * Purchases and reversals that a caller wants to store together, with the results that are known so far. Calls `done`
 * when every purchase and reversal of the call has its result.
 */
export class PublishCall {
  readonly purchases: ReadonlyArray<EntryRequest>
  /** Whether the broker has to store each purchase, even if it has stored the same purchase before. */
  readonly storeEveryCopy: boolean
  /** The span of the request; `undefined` if the request is not traced. */
  readonly span: TraceContext | undefined
  private readonly done: (results: ReadonlyArray<PublishResult>) => void
  private readonly results: Array<PublishResult> = []
  private open: number

  constructor(
    purchases: ReadonlyArray<EntryRequest>,
    storeEveryCopy: boolean,
    done: (results: ReadonlyArray<PublishResult>) => void,
    span?: TraceContext
  ) {
    this.purchases = purchases
    this.storeEveryCopy = storeEveryCopy
    this.done = done
    this.span = span
    this.open = purchases.length
  }

  /** Takes the result of the purchase at an index of the call. */
  settle(index: number, result: PublishResult): void {
    this.results[index] = result
    this.open -= 1
    if (this.open === 0) this.done(this.results)
  }

  /** Gives all purchases of the call the same result. `settleAll` is for calls whose purchases never reached a lane. */
  settleAll(result: PublishResult): void {
    this.done(this.purchases.map(() => result))
  }
}
