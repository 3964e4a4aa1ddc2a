import type { Cents } from "./Money.ts"

/**
 * The most earlier revisions that one revision names. The more earlier revisions a revision names, the fewer round
 * trips a page of history takes.
 */
export const previousRevisionsMax = 20

/** The part of an entry that only a reversal has. */
export interface AppliedReversal {
  readonly reversalId: string
  /** Why the purchase was reversed, for people. */
  readonly reason: string
  /** The pieces that the request named; 0 if it asked for all pieces that were left. */
  readonly asked: number
  /**
   * The sequence of the newest earlier commit with a reversal of the same purchase; 0 without an earlier reversal.
   * Reversals of the same purchase in one commit name the same earlier commit.
   */
  readonly previous: number
}

/**
 * An entry of an account: a purchase as it was applied, with its place and time in the input log. An entry with the
 * member `reversal` takes pieces of an earlier purchase back. A reversal has the content of its purchase, and its
 * `quantity` is the number of pieces that it takes back. A purchase has no member `reversal`, not even one with the
 * value `undefined`.
 */
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
  readonly reversal?: AppliedReversal
}

/** How often an applied purchase came again: `repeats` with the same content, `conflicts` with another content. */
export interface Repeats {
  readonly repeats: number
  readonly conflicts: number
}

/** All counts of an applied id: how often it came again, and how much of its purchase is reversed. */
export interface Counts extends Repeats {
  /** The pieces of the purchase that were taken back. */
  readonly reversed: number
  /** The sequence of the newest commit with a reversal of the purchase; 0 without a reversal. */
  readonly lastReversal: number
}

/** The change that one commit made to one account. A revision is one line of its commit. */
export interface Revision {
  /** The account's total after the revision, in cents. */
  readonly total: Cents
  /** The account's number of entries, which are purchases and reversals, after the revision. */
  readonly count: number
  /** The account's number of reversals after the revision. */
  readonly reversals: number
  /** The input sequence up to which the account's purchases are decided. */
  readonly decidedThrough: number
  /** The entries that the revision applied, in the order of the input log. */
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
