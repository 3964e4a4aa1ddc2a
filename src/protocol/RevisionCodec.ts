import { Schema } from "effect"
import type { AppliedPurchase, Repeats, Revision } from "../account/Revision.ts"
import { jsonText } from "./JsonText.ts"

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
