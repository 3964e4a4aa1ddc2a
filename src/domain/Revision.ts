import { Schema } from "effect"
import type { Cents } from "./Money.ts"

/** How many revisions before it a revision names, so that a page of history takes few round trips. */
export const previousRevisionsMax = 20

const version = 1

/**
 * An array of tuples of some strings and then some numbers, as a check of its own: an account can have a million of
 * them, and Schema's tuples take ten times as long, nearly all of the time in which an account is loaded.
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

const PurchaseTuples = tuplesOf<[string, string, string, number, number, number, number, number]>(3, 5)
const CountedIds = tuplesOf<[string, number, number]>(1, 2)

const RevisionRecord = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(version),
    total: Schema.String,
    count: Schema.Number,
    decidedThrough: Schema.Number,
    purchases: PurchaseTuples,
    repeats: CountedIds,
    previous: Schema.Array(Schema.Number),
    segments: Schema.Number,
    unsealed: Schema.Number
  })
)

const SegmentRecord = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(version), entries: CountedIds, repeats: CountedIds })
)

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

/** What came again under an id that was applied: with the same content, and with another one. */
export interface Repeats {
  readonly repeats: number
  readonly conflicts: number
}

/** What one commit did to an account: one value of the key `account.<user>`. */
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
  /** The sequences of the revisions before it, newest first. */
  readonly previous: ReadonlyArray<number>
  /** How many segments of the purchaseId set are sealed. */
  readonly segments: number
  /** How many of the newest revisions, this one included, no segment covers. */
  readonly unsealed: number
}

/** What the set of applied ids knows of one purchase. */
export interface SegmentEntry {
  readonly purchaseId: string
  /** The ledger sequence of the revision that applied it. */
  readonly revision: number
  readonly fingerprint: number
}

/** A sealed part of an account's purchaseId set: one value of the key `seen.<user>.<n>`, written once. */
export interface Segment {
  readonly entries: ReadonlyArray<SegmentEntry>
  /** What the revisions that it covers added to the repeats of any purchase. */
  readonly repeats: ReadonlyMap<string, Repeats>
}

const repeatTuples = (repeats: ReadonlyMap<string, Repeats>): Array<[string, number, number]> =>
  Array.from(repeats, ([purchaseId, counts]) => [purchaseId, counts.repeats, counts.conflicts])

const repeatMap = (tuples: ReadonlyArray<readonly [string, number, number]>): Map<string, Repeats> =>
  new Map(tuples.map(([purchaseId, repeats, conflicts]) => [purchaseId, { repeats, conflicts }]))

export const encodeRevision = (revision: Revision): string =>
  JSON.stringify({
    version,
    total: revision.total.toString(),
    count: revision.count,
    decidedThrough: revision.decidedThrough,
    purchases: revision.purchases.map((purchase) => [
      purchase.purchaseId,
      purchase.productName,
      purchase.productType,
      Number(purchase.valueCents),
      purchase.quantity,
      purchase.inputSequence,
      purchase.inputIndex,
      purchase.storedAt
    ]),
    repeats: repeatTuples(revision.repeats),
    previous: revision.previous,
    segments: revision.segments,
    unsealed: revision.unsealed
  })

const revisionRecordFrom = Schema.decodeUnknownSync(RevisionRecord)

/** Reads a revision; throws a SchemaError where the text is none. */
export const decodeRevision = (text: string): Revision => {
  const record = revisionRecordFrom(text)
  return {
    total: BigInt(record.total),
    count: record.count,
    decidedThrough: record.decidedThrough,
    purchases: record.purchases.map(
      ([purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt]) => ({
        purchaseId,
        productName,
        productType,
        valueCents: BigInt(valueCents),
        quantity,
        inputSequence,
        inputIndex,
        storedAt
      })
    ),
    repeats: repeatMap(record.repeats),
    previous: record.previous,
    segments: record.segments,
    unsealed: record.unsealed
  }
}

export const encodeSegment = (segment: Segment): string =>
  JSON.stringify({
    version,
    entries: segment.entries.map((entry) => [entry.purchaseId, entry.revision, entry.fingerprint]),
    repeats: repeatTuples(segment.repeats)
  })

const segmentRecordFrom = Schema.decodeUnknownSync(SegmentRecord)

/** Reads a segment; throws a SchemaError where the text is none. */
export const decodeSegment = (text: string): Segment => {
  const record = segmentRecordFrom(text)
  return {
    entries: record.entries.map(([purchaseId, revision, fingerprint]) => ({ purchaseId, revision, fingerprint })),
    repeats: repeatMap(record.repeats)
  }
}
