import type { Cents } from "./Money.ts"

/** The most earlier revisions that one revision names. The more it names, the fewer round trips a page of history takes. */
export const previousRevisionsMax = 20

/** A purchase as it was applied: its content, and its place and time in the input log. */
export interface AppliedPurchase {
  readonly purchaseId: string
  readonly productName: string
  readonly productType: string
  readonly valueCents: Cents
  readonly quantity: number
  /** The sequence of the input message that brought the purchase. */
  readonly inputSequence: number
  /** The index of the purchase in its message, from 0. */
  readonly inputIndex: number
  /** When the broker stored the message of the purchase, in milliseconds since 1970. */
  readonly storedAt: number
}

/** How often an applied purchase came again: `repeats` with the same content, `conflicts` with another content. */
export interface Repeats {
  readonly repeats: number
  readonly conflicts: number
}

/** The change that one commit made to one account. It is one line of the commit. */
export interface Revision {
  /** The account's total after the revision, in cents. */
  readonly total: Cents
  /** The account's number of purchases after the revision. */
  readonly count: number
  /** The input sequence up to which the account's purchases are decided. */
  readonly decidedThrough: number
  /** The purchases that the revision applied, in the order of the input log. */
  readonly purchases: ReadonlyArray<AppliedPurchase>
  /** The repeats and conflicts that the revision counts, by purchase id. */
  readonly repeats: ReadonlyMap<string, Repeats>
  /** The sequences of the commits with the account's earlier revisions, newest first. */
  readonly previous: ReadonlyArray<number>
  /** The number of the account's newest revisions that no segment covers, including this revision. */
  readonly unsealed: number
  /** The sequence of the newest segment of the purchaseId set; 0 before the first segment. */
  readonly segment: number
}
