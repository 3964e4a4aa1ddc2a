import type { Sold } from "../system/Sold.ts"

/** A request that is about to be sent. */
export type Invoked = {
  readonly operation: number
  /** Milliseconds since the run began. The order of the lines, and not this time, decides which line came first. */
  readonly at: number
  readonly edge: string
} & (
  | { readonly does: "buy"; readonly sale: Sold }
  | { readonly does: "total" | "page"; readonly userId: string }
  | {
      readonly does: "change a rule"
      readonly owner: string
      readonly ruleId: string
      /** The rule to put, as JSON. Without it the rule is removed. */
      readonly rule?: string
    }
)

/**
 * How a request ended. `ok` means success. `fail` means that nothing was stored, or that a read had no answer. `info`
 * means that the outcome is unknown. A request without such a line counts as `info`.
 */
export interface Completed {
  readonly operation: number
  readonly at: number
  readonly outcome: "ok" | "fail" | "info"
  readonly status?: number
  /**
   * The total in the answer, in cents. The answer to a purchase that a client waited for has the account's total after
   * that purchase.
   */
  readonly total?: string
  readonly count?: number
  /** The purchases of a page of history, newest first. */
  readonly listed?: ReadonlyArray<string>
  /** The sequence of the journal in the answer to the put of a rule. */
  readonly sequence?: number
}

/** The beginning or the end of a fault. The checker skips it. */
export interface Noted {
  readonly at: number
  readonly note: string
}

/** A line of the operation log. */
export type LogLine = Invoked | Completed | Noted
