import { requireOfRuntime } from "./Runtime.ts"

/**
 * A reversal as callers send it. If the reversal has no reversalId, the client makes an id, and sends each attempt with
 * this id.
 */
export interface NewReversal {
  readonly reversalId?: string
  readonly userId: string
  /** The purchase to reverse. */
  readonly purchaseId: string
  /**
   * The number of pieces to take back. Without `quantity`, the reversal takes back all pieces that are left of the
   * purchase.
   */
  readonly quantity?: number
  /** Tells people why the pieces are taken back. */
  readonly reason: string
}

/**
 * Returns the reversal with an id, so that it can be sent again. Throws an UnsupportedRuntime if the runtime cannot make
 * an id.
 */
export const withReversalId = (reversal: NewReversal): NewReversal & { readonly reversalId: string } => {
  if (reversal.reversalId === undefined) requireOfRuntime(["crypto.randomUUID"])
  return { ...reversal, reversalId: reversal.reversalId ?? crypto.randomUUID() }
}

/** Writes the body of a reversal as JSON. */
export const reversalText = ({ reversalId, quantity, reason }: NewReversal): string =>
  JSON.stringify({ reversalId, quantity, reason })
