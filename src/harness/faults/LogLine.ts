import type { Sold } from "../system/Sold.ts"

/** A request that is about to be sent. */
export type Invoked = {
  readonly operation: number
  /** Milliseconds since the run began; order is told by the place in the log, not by this. */
  readonly at: number
  readonly edge: string
} & ({ readonly does: "buy"; readonly sale: Sold } | { readonly does: "total" | "page"; readonly userId: string })

/**
 * How a request ended: `ok`, `fail` when it is surely not stored (or, of a read, not answered), `info` when that is
 * not known. A request without such a line is `info` as well.
 */
export interface Completed {
  readonly operation: number
  readonly at: number
  readonly outcome: "ok" | "fail" | "info"
  readonly status?: number
  /** In cents, from the answer: of a purchase that was waited for, the account's total with it. */
  readonly total?: string
  readonly count?: number
  /** What a page of history listed, newest first. */
  readonly listed?: ReadonlyArray<string>
}

/** A fault, or its end; the checker reads over it. */
export interface Noted {
  readonly at: number
  readonly note: string
}

/** A line of the operation log. */
export type LogLine = Invoked | Completed | Noted
