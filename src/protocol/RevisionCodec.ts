import { Schema } from "effect"
import type { AppliedPurchase, Repeats, Revision } from "../account/Revision.ts"
import { jsonText } from "./JsonText.ts"

/** Returns the check for an array of tuples, each of `strings` strings and then `numbers` numbers. */
const areTuples =
  <Tuple extends ReadonlyArray<string | number>>(strings: number, numbers: number) =>
  (input: unknown): input is ReadonlyArray<Tuple> =>
    Array.isArray(input) &&
    input.every((tuple: unknown) => {
      if (!Array.isArray(tuple) || tuple.length !== strings + numbers) return false
      for (let index = 0; index < tuple.length; index += 1) {
        if (typeof tuple[index] !== (index < strings ? "string" : "number")) return false
      }
      return true
    })

/**
 * Returns a schema for an array of tuples, each of `strings` strings and then `numbers` numbers. A commit may have
 * thousands of tuples, and Schema's own tuples are much slower.
 */
const tuplesOf = <Tuple extends ReadonlyArray<string | number>>(strings: number, numbers: number) =>
  Schema.declare(areTuples<Tuple>(strings, numbers), {
    expected: `an array of tuples of ${strings} strings and ${numbers} numbers`
  })

type PurchaseTuple = readonly [string, string, string, number, number, number, number, number]

/** Decodes the purchases of a revision: tuples with the fields of {@link AppliedPurchase} in their order. */
export const PurchaseTuples = tuplesOf<PurchaseTuple>(3, 5)
/** Decodes tuples of a purchase id, its repeats and its conflicts. */
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

/** Returns counts of repeats as tuples, as {@link CountedIds} reads them. */
export const repeatTuples = (repeats: ReadonlyMap<string, Repeats>): Array<[string, number, number]> =>
  Array.from(repeats, ([purchaseId, counts]) => [purchaseId, counts.repeats, counts.conflicts])

/** Returns tuples of {@link CountedIds} as counts by purchase id. */
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
 * Writes a revision as a line of a commit. The user's token comes first, so that the line can be found by it. A worker
 * writes every purchase, so this avoids `JSON.stringify` and the arrays that it would need.
 */
export const encodeRevision = (userToken: string, revision: Revision): string => {
  const { total, count, decidedThrough, purchases, repeats, previous, unsealed, segment } = revision
  const repeated = repeats.size === 0 ? "[]" : JSON.stringify(repeatTuples(repeats))
  return `["${userToken}","${total}",${count},${decidedThrough},[${purchasesText(purchases)}],${repeated},[${previous.join(",")}],${unsealed},${segment}]`
}

/** Returns the purchase of a tuple of {@link PurchaseTuples}. */
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

const isPurchases = areTuples<PurchaseTuple>(3, 5)
const isCounted = areTuples<[string, number, number]>(1, 2)
const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((one) => typeof one === "number")

/**
 * Reads a line of a commit as {@link decodeRevision} does, and several times faster. A judge reads every revision. A
 * line that is not a revision is left to the schema, whose error gives the reason.
 */
export const readRevision = (line: string): Revision => {
  const value: unknown = JSON.parse(line)
  if (!Array.isArray(value) || value.length !== 9) return decodeRevision(line)
  const [token, total, count, decidedThrough, purchases, repeats, previous, unsealed, segment] =
    value as ReadonlyArray<unknown>
  const areTexts = typeof token === "string" && typeof total === "string"
  if (!areTexts || !isPurchases(purchases) || !isCounted(repeats) || !isNumbers(previous)) return decodeRevision(line)
  if (!isNumbers([count, decidedThrough, unsealed, segment])) return decodeRevision(line)
  return {
    total: BigInt(total),
    count: count as number,
    decidedThrough: decidedThrough as number,
    purchases: purchases.map(purchaseOfTuple),
    repeats: repeatMap(repeats),
    previous,
    unsealed: unsealed as number,
    segment: segment as number
  }
}

const revisionRecordFrom = Schema.decodeUnknownSync(RevisionRecord)

/** Decodes a line of a commit. Throws a SchemaError if it is not a revision. */
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
