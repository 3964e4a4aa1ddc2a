import { Schema } from "effect"
import { jsonText } from "../protocol/JsonText.ts"
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
  /** Its place in that message, from 0. */
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

/**
 * Checks an array of tuples of some strings and then some numbers. A commit may have thousands of them, and Schema's
 * tuples take ten times as long.
 */
const tuplesOf = <Tuple extends ReadonlyArray<string | number>>(strings: number, numbers: number) =>
  Schema.declare(
    (input): input is ReadonlyArray<Tuple> =>
      Array.isArray(input) &&
      input.every((tuple: unknown) => {
        if (!Array.isArray(tuple) || tuple.length !== strings + numbers) return false
        for (let index = 0; index < tuple.length; index += 1) {
          if (typeof tuple[index] !== (index < strings ? "string" : "number")) return false
        }
        return true
      }),
    { expected: `an array of tuples of ${strings} strings and ${numbers} numbers` }
  )

type PurchaseTuple = readonly [string, string, string, number, number, number, number, number]

/** The purchases of a revision as tuples, in the order of the fields of {@link AppliedPurchase}. */
export const PurchaseTuples = tuplesOf<PurchaseTuple>(3, 5)
/** An id with its repeats and its conflicts. */
export const CountedIds = tuplesOf<[string, number, number]>(1, 2)

const RevisionRecord = Schema.fromJsonString(
  Schema.Tuple([
    Schema.String,
    Schema.String,
    Schema.Number,
    Schema.Number,
    PurchaseTuples,
    CountedIds,
    Schema.Array(Schema.Number),
    Schema.Number,
    Schema.Number
  ])
)

export const repeatTuples = (repeats: ReadonlyMap<string, Repeats>): Array<[string, number, number]> =>
  Array.from(repeats, ([purchaseId, counts]) => [purchaseId, counts.repeats, counts.conflicts])

export const repeatMap = (tuples: ReadonlyArray<readonly [string, number, number]>): Map<string, Repeats> =>
  new Map(tuples.map(([purchaseId, repeats, conflicts]) => [purchaseId, { repeats, conflicts }]))

const purchaseText = (purchase: AppliedPurchase): string =>
  `[${jsonText(purchase.purchaseId)},${jsonText(purchase.productName)},${jsonText(purchase.productType)},${purchase.valueCents},${purchase.quantity},${purchase.inputSequence},${purchase.inputIndex},${purchase.storedAt}]`

const purchasesText = (purchases: ReadonlyArray<AppliedPurchase>): string => {
  let text = ""
  for (const purchase of purchases) text += text === "" ? purchaseText(purchase) : `,${purchaseText(purchase)}`
  return text
}

/**
 * Writes a revision as a line of a commit. The user's token comes first, so that the line is found by it. It is written by
 * hand, since a worker writes each purchase: `JSON.stringify` takes arrays that are made for it alone.
 */
export const encodeRevision = (userToken: string, revision: Revision): string => {
  const { total, count, decidedThrough, purchases, repeats, previous, unsealed, segment } = revision
  const repeated = repeats.size === 0 ? "[]" : JSON.stringify(repeatTuples(repeats))
  return `["${userToken}","${total}",${count},${decidedThrough},[${purchasesText(purchases)}],${repeated},[${previous.join(",")}],${unsealed},${segment}]`
}

export const purchaseOfTuple = ([
  purchaseId,
  productName,
  productType,
  valueCents,
  quantity,
  inputSequence,
  inputIndex,
  storedAt
]: PurchaseTuple): AppliedPurchase => ({
  purchaseId,
  productName,
  productType,
  valueCents: BigInt(valueCents),
  quantity,
  inputSequence,
  inputIndex,
  storedAt
})

const revisionRecordFrom = Schema.decodeUnknownSync(RevisionRecord)

/** Reads a line of a commit. Throws a SchemaError if it is not a revision. */
export const decodeRevision = (line: string): Revision => {
  const [, total, count, decidedThrough, purchases, repeats, previous, unsealed, segment] = revisionRecordFrom(line)
  return {
    total: BigInt(total),
    count,
    decidedThrough,
    purchases: purchases.map(purchaseOfTuple),
    repeats: repeatMap(repeats),
    previous,
    unsealed,
    segment
  }
}
