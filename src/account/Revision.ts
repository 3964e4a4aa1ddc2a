import type { Cents } from "./Money.ts"

/** The most earlier revisions that a revision names. With many, a page of history takes few round trips. */
export const previousRevisionsMax = 20

/** A purchase as it was applied: its content, and its place and time in the input log. */
export interface AppliedPurchase {
  readonly purchaseId: string
  readonly productName: string
  readonly productType: string
  readonly valueCents: Cents
  readonly quantity: number
  /** The sequence of the input message that brought it. */
  readonly inputSequence: number
  /** Its index in that message, from 0. */
  readonly inputIndex: number
  /** When the broker stored that message, in milliseconds since 1970. */
  readonly storedAt: number
}

/** How often an applied purchase came again: `repeats` with the same content, `conflicts` with another. */
export interface Repeats {
  readonly repeats: number
  readonly conflicts: number
}

/** The change that one commit made to one account. It is one line of the commit. */
export interface Revision {
  /** The account's total after it, in cents. */
  readonly total: Cents
  /** The account's number of purchases after it. */
  readonly count: number
  /** The input sequence up to which the account's purchases are decided. */
  readonly decidedThrough: number
  /** The purchases that it applied, in the order of the input log. */
  readonly purchases: ReadonlyArray<AppliedPurchase>
  /** The repeats and conflicts that it counts, by purchase id. */
  readonly repeats: ReadonlyMap<string, Repeats>
  /** The sequences of the commits with the revisions before it, newest first. */
  readonly previous: ReadonlyArray<number>
  /** The number of newest revisions that no segment covers, including this one. */
  readonly unsealed: number
  /** The sequence of the newest segment of the purchaseId set, 0 before the first. */
  readonly segment: number
}
