import { Schema } from "effect"
import type { AppliedPurchase, AppliedReversal, Repeats, Revision } from "../account/Revision.ts"
import { jsonText } from "./JsonText.ts"

/** Returns whether a tuple begins with `strings` strings, followed by `numbers` numbers. */
const beginsWith = (tuple: ReadonlyArray<unknown>, strings: number, numbers: number): boolean => {
  for (let index = 0; index < strings + numbers; index += 1) {
    if (typeof tuple[index] !== (index < strings ? "string" : "number")) return false
  }
  return true
}

/** Returns the check for an array of tuples, each of `strings` strings followed by `numbers` numbers. */
const areTuples =
  <Tuple extends ReadonlyArray<string | number>>(strings: number, numbers: number) =>
  (input: unknown): input is ReadonlyArray<Tuple> =>
    Array.isArray(input) &&
    input.every(
      (tuple: unknown) =>
        Array.isArray(tuple) && tuple.length === strings + numbers && beginsWith(tuple, strings, numbers)
    )

/**
 * Returns a schema for an array of tuples, each of `strings` strings followed by `numbers` numbers. A commit may have
 * thousands of tuples, and Schema's own tuples are much slower than this schema.
 */
const tuplesOf = <Tuple extends ReadonlyArray<string | number>>(strings: number, numbers: number) =>
  Schema.declare(areTuples<Tuple>(strings, numbers), {
    expected: `an array of tuples of ${strings} strings and ${numbers} numbers`
  })

type PurchaseTuple = readonly [string, string, string, number, number, number, number, number]
/**
 * The tuple of a reversal: its id, its reason, the pieces that the request named, and {@link AppliedReversal.previous}.
 */
type ReversalTuple = readonly [string, string, number, number]
/** The fields of {@link AppliedPurchase}, in the order in which the interface lists them. */
type EntryTuple = PurchaseTuple | readonly [...PurchaseTuple, ReversalTuple]

const isReversalTuple = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 4 && beginsWith(value, 2, 2)

const areEntries = (input: unknown): input is ReadonlyArray<EntryTuple> =>
  Array.isArray(input) &&
  input.every(
    (tuple: unknown) =>
      Array.isArray(tuple) &&
      (tuple.length === 8 || (tuple.length === 9 && isReversalTuple(tuple[8]))) &&
      beginsWith(tuple, 3, 5)
  )

const EntryTuples = Schema.declare(areEntries, {
  expected: "an array of tuples of 3 strings and 5 numbers, each with a reversal or without"
})
/** Decodes the purchases of a revision without reversals: tuples of 3 strings and 5 numbers. */
export const PurchaseTuples = tuplesOf<PurchaseTuple>(3, 5)
/** Decodes tuples of a purchase id, its repeats and its conflicts. */
export const CountedIds = tuplesOf<[string, number, number]>(1, 2)

const RevisionRecord = Schema.fromJsonString(
  Schema.Tuple([
    Schema.String,
    Schema.String,
    Schema.Number,
    Schema.Number,
    EntryTuples,
    CountedIds,
    Schema.Array(Schema.Number),
    Schema.Number,
    Schema.Number,
    Schema.optionalKey(Schema.Number)
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

const reversalText = (entry: AppliedPurchase, { reversalId, reason, asked, previous }: AppliedReversal): string =>
  `${purchaseText(entry).slice(0, -1)},[${jsonText(reversalId)},${jsonText(reason)},${asked},${previous}]]`

const entryText = (entry: AppliedPurchase): string =>
  entry.reversal === undefined ? purchaseText(entry) : reversalText(entry, entry.reversal)

const entriesText = (entries: ReadonlyArray<AppliedPurchase>): string => {
  let text = ""
  for (const entry of entries) text += text === "" ? entryText(entry) : `,${entryText(entry)}`
  return text
}

/**
 * Writes a revision as a line of a commit. The user's token comes first, so that the line can be found by the token. A
 * worker writes every purchase, so this function avoids `JSON.stringify` and the arrays that `JSON.stringify` would
 * need.
 */
export const encodeRevision = (userToken: string, revision: Revision): string => {
  const { total, count, reversals, decidedThrough, purchases, repeats, previous, unsealed, segment } = revision
  const repeated = repeats.size === 0 ? "[]" : JSON.stringify(repeatTuples(repeats))
  return `["${userToken}","${total}",${count},${decidedThrough},[${entriesText(purchases)}],${repeated},[${previous.join(",")}],${unsealed},${segment}${reversals === 0 ? "" : `,${reversals}`}]`
}

/** Returns the purchase of a tuple. Leaves out the part that only the tuple of a reversal has. */
export const purchaseOfTuple = ([
  purchaseId,
  productName,
  productType,
  valueCents,
  quantity,
  inputSequence,
  inputIndex,
  storedAt
]: EntryTuple): AppliedPurchase => ({
  purchaseId,
  productName,
  productType,
  valueCents: BigInt(valueCents),
  quantity,
  inputSequence,
  inputIndex,
  storedAt
})

/** Returns the entry of a tuple. Only the tuple of a reversal has a ninth element. */
const entryOfTuple = (tuple: EntryTuple): AppliedPurchase => {
  const purchase = purchaseOfTuple(tuple)
  if (tuple.length === 8) return purchase
  const [reversalId, reason, asked, previous] = tuple[8]
  return { ...purchase, reversal: { reversalId, reason, asked, previous } }
}

const isCounted = areTuples<[string, number, number]>(1, 2)
const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((one) => typeof one === "number")

/**
 * Reads a line of a commit as {@link decodeRevision} does, and several times faster. A judge reads every revision with
 * this function. A line that is not a revision is left to the schema, whose error gives the reason.
 */
export const readRevision = (line: string): Revision => {
  const value: unknown = JSON.parse(line)
  if (!Array.isArray(value) || (value.length !== 9 && value.length !== 10)) return decodeRevision(line)
  const [token, total, count, decidedThrough, purchases, repeats, previous, unsealed, segment, reversals = 0] =
    value as ReadonlyArray<unknown>
  const areTexts = typeof token === "string" && typeof total === "string"
  if (!areTexts || !areEntries(purchases) || !isCounted(repeats) || !isNumbers(previous)) return decodeRevision(line)
  if (!isNumbers([count, decidedThrough, unsealed, segment, reversals])) return decodeRevision(line)
  return {
    total: BigInt(total),
    count: count as number,
    reversals: reversals as number,
    decidedThrough: decidedThrough as number,
    purchases: purchases.map(entryOfTuple),
    repeats: repeatMap(repeats),
    previous,
    unsealed: unsealed as number,
    segment: segment as number
  }
}

const revisionRecordFrom = Schema.decodeUnknownSync(RevisionRecord)

/** Decodes a line of a commit. Throws a SchemaError if the line is not a revision. */
export const decodeRevision = (line: string): Revision => {
  const [, total, count, decidedThrough, purchases, repeats, previous, unsealed, segment, reversals = 0] =
    revisionRecordFrom(line)
  return {
    total: BigInt(total),
    count,
    reversals,
    decidedThrough,
    purchases: purchases.map(entryOfTuple),
    repeats: repeatMap(repeats),
    previous,
    unsealed,
    segment
  }
}
