import type { Reversed, Sold } from "../system/Sold.ts"

/** The line of the operation log that is written before a request is sent. */
export type Invoked = {
  readonly operation: number
  /**
   * The time of the line, in milliseconds since the run began. The checker uses the order of the lines, and not this
   * time.
   */
  readonly at: number
  readonly edge: string
} & (
  | { readonly does: "buy"; readonly sale: Sold }
  | { readonly does: "reverse"; readonly reversal: Reversed }
  | { readonly does: "total" | "page"; readonly userId: string }
  | {
      readonly does: "change a rule"
      readonly owner: string
      readonly ruleId: string
      /** The rule to put, as JSON; missing for a request that removes the rule. */
      readonly rule?: string
    }
  | { readonly does: "change a webhook"; readonly owner: string }
)

/**
 * The line of the operation log for the end of a request. The outcome `ok` means success. The outcome `fail` means that
 * nothing was stored, or that a read got no answer. The outcome `info` means that the result of the request is unknown.
 * A request without a line for its end counts as `info`.
 */
export interface Completed {
  readonly operation: number
  readonly at: number
  readonly outcome: "ok" | "fail" | "info"
  readonly status?: number
  /**
   * The account's total in the answer to a request, in cents. If the client waited until its purchase was applied,
   * `total` is the account's total after the purchase.
   */
  readonly total?: string
  readonly count?: number
  /** The names of the entries of a page of history, newest first. */
  readonly listed?: ReadonlyArray<string>
  /** The journal sequence in the answer to a request that puts a rule. */
  readonly sequence?: number
}

/** The line of the operation log for the beginning or the end of a fault. The checker skips the lines about faults. */
export interface Noted {
  readonly at: number
  readonly note: string
}

/** A line of the operation log. */
export type LogLine = Invoked | Completed | Noted
