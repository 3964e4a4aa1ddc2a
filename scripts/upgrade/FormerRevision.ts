import { Schema } from "effect"
import { type AppliedPurchase, CountedIds, repeatMap, type Revision } from "../../src/domain/Revision.ts"

/** What one commit did to an account in the former layout: one value of the key `account.<token>`. */
export type FormerRevision = Pick<Revision, "total" | "count" | "decidedThrough" | "purchases" | "repeats"> & {
  /** Whether it is the account's first. */
  readonly isFirst: boolean
}

type PurchaseTuple = readonly [string, string, string, number, number, number, number, number]

const textsOfPurchase = 3
const fieldsOfPurchase = 8

const isPurchaseTuple = (tuple: unknown): boolean =>
  Array.isArray(tuple) &&
  tuple.length === fieldsOfPurchase &&
  tuple.every((field, index) => typeof field === (index < textsOfPurchase ? "string" : "number"))

// A check of its own: Schema's tuples take ten times as long.
const PurchaseTuples = Schema.declare(
  (input): input is ReadonlyArray<PurchaseTuple> => Array.isArray(input) && input.every(isPurchaseTuple),
  { expected: "an array of purchases, each of three texts and five numbers" }
)

const FormerRecord = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    total: Schema.String,
    count: Schema.Number,
    decidedThrough: Schema.Number,
    purchases: PurchaseTuples,
    repeats: CountedIds,
    previous: Schema.Array(Schema.Number)
  })
)
const decodeRecord = Schema.decodeUnknownSync(FormerRecord)

const purchaseOf = (tuple: PurchaseTuple): AppliedPurchase => {
  const [purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt] = tuple
  return {
    purchaseId,
    productName,
    productType,
    valueCents: BigInt(valueCents),
    quantity,
    inputSequence,
    inputIndex,
    storedAt
  }
}

/** Reads a revision of the former layout. Throws a SchemaError if the text is not one. */
export const decodeFormerRevision = (text: string): FormerRevision => {
  const { total, count, decidedThrough, purchases, repeats, previous } = decodeRecord(text)
  return {
    total: BigInt(total),
    count,
    decidedThrough,
    purchases: purchases.map(purchaseOf),
    repeats: repeatMap(repeats),
    isFirst: previous.length === 0
  }
}
