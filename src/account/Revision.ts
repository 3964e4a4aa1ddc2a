import type { Cents } from "./Money.ts"

/** How many revisions before it a revision names, so that a page of history takes few round trips. */
export const previousRevisionsMax = 20

/** A purchase as it was applied: its content, and where and when the input log stored it. */
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

/** How often a purchase that was applied came again, with the same content and with another one. */
export interface Repeats {
  readonly repeats: number
  readonly conflicts: number
}

/** What one commit did to an account: one line of the commit. */
export interface Revision {
  /** The account's total after it, in cents. */
  readonly total: Cents
  /** How many purchases the account holds after it. */
  readonly count: number
  /** The input sequence up to which the account's purchases are decided. */
  readonly decidedThrough: number
  readonly purchases: ReadonlyArray<AppliedPurchase>
  /** What this commit adds to the repeats of a purchase. */
  readonly repeats: ReadonlyMap<string, Repeats>
  /** The sequences of the commits with the revisions before it, newest first. */
  readonly previous: ReadonlyArray<number>
  /** How many of the newest revisions, this one included, no segment covers. */
  readonly unsealed: number
  /** The sequence of the newest segment of the purchaseId set, 0 before the first. */
  readonly segment: number
}
