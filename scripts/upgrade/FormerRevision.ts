import { Schema } from "effect"
import type { Revision } from "../../src/account/Revision.ts"
import { CountedIds, purchaseOfTuple, PurchaseTuples, repeatMap } from "../../src/protocol/RevisionCodec.ts"

/** The effect of one commit on one account in the former layout: one value of the key `account.<token>`. */
export type FormerRevision = Pick<Revision, "total" | "count" | "decidedThrough" | "purchases" | "repeats"> & {
  /** Whether the revision is the account's first. */
  readonly isFirst: boolean
}

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

/** Reads a revision of the former layout. Throws a SchemaError if the text is not a revision of the former layout. */
export const decodeFormerRevision = (text: string): FormerRevision => {
  const { total, count, decidedThrough, purchases, repeats, previous } = decodeRecord(text)
  return {
    total: BigInt(total),
    count,
    decidedThrough,
    purchases: purchases.map(purchaseOfTuple),
    repeats: repeatMap(repeats),
    isFirst: previous.length === 0
  }
}
