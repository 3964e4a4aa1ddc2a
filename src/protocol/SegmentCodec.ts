import { Schema } from "effect"
import type { Counts } from "../account/Revision.ts"
import type { Segment } from "../account/Segment.ts"

/** The version of the records of segments. */
const version = 2

const isTextArray = (value: unknown): boolean =>
  Array.isArray(value) && value.every((member) => typeof member === "string")
const isNumberArray = (value: unknown): boolean =>
  Array.isArray(value) && value.every((member) => typeof member === "number")

type RevisionTuple = readonly [sequence: number, ids: ReadonlyArray<string>, fingerprints: ReadonlyArray<number>]

// An account can have a million ids, and Schema's own arrays and tuples are much slower than this check.
const RevisionTuples = Schema.declare(
  (input): input is ReadonlyArray<RevisionTuple> =>
    Array.isArray(input) &&
    input.every(
      (tuple: unknown) =>
        Array.isArray(tuple) &&
        tuple.length === 3 &&
        typeof tuple[0] === "number" &&
        isTextArray(tuple[1]) &&
        isNumberArray(tuple[2]) &&
        tuple[1].length === tuple[2].length
    ),
  { expected: "an array of revisions, each with ids and as many fingerprints" }
)

/**
 * An id, its repeats and conflicts, and the reversed pieces with the newest commit that reversed some of these pieces.
 */
type CountsTuple = readonly [string, number, number, reversed?: number, lastReversal?: number]

const isCountsTuple = (tuple: unknown): boolean =>
  Array.isArray(tuple) &&
  (tuple.length === 3 || tuple.length === 5) &&
  typeof tuple[0] === "string" &&
  tuple.every((member, index) => index === 0 || typeof member === "number")

const CountsTuples = Schema.declare(
  (input): input is ReadonlyArray<CountsTuple> => Array.isArray(input) && input.every(isCountsTuple),
  { expected: "an array of tuples of an id and two or four numbers" }
)

const countsTuples = (counts: ReadonlyMap<string, Counts>): Array<CountsTuple> =>
  Array.from(counts, ([id, { repeats, conflicts, reversed, lastReversal }]) =>
    reversed === 0 ? [id, repeats, conflicts] : [id, repeats, conflicts, reversed, lastReversal]
  )

const countsMap = (tuples: ReadonlyArray<CountsTuple>): Map<string, Counts> =>
  new Map(
    tuples.map(([id, repeats, conflicts, reversed = 0, lastReversal = 0]) => [
      id,
      { repeats, conflicts, reversed, lastReversal }
    ])
  )

const SegmentRecord = Schema.fromJsonString(
  Schema.Struct({
    v: Schema.Literal(version),
    kind: Schema.Literal("segment"),
    user: Schema.String,
    revisions: RevisionTuples,
    repeats: CountsTuples,
    storedThrough: Schema.optionalKey(Schema.Int),
    before: Schema.Array(Schema.Int),
    directories: Schema.Array(Schema.Int)
  })
)

/** Writes a segment as JSON. */
export const encodeSegment = ({ userToken, revisions, repeats, storedThrough, links }: Segment): string =>
  JSON.stringify({
    v: version,
    kind: "segment",
    user: userToken,
    revisions: revisions.map(({ sequence, purchaseIds, fingerprints }) => [sequence, purchaseIds, fingerprints]),
    repeats: countsTuples(repeats),
    storedThrough,
    before: links.before,
    directories: links.directories
  })

const segmentRecordFrom = Schema.decodeUnknownSync(SegmentRecord)

/** Decodes a segment. Throws a SchemaError if the text is not a segment. */
export const decodeSegment = (text: string): Segment => {
  const { user, revisions, repeats, storedThrough, before, directories } = segmentRecordFrom(text)
  return {
    userToken: user,
    revisions: revisions.map(([sequence, purchaseIds, fingerprints]) => ({ sequence, purchaseIds, fingerprints })),
    repeats: countsMap(repeats),
    ...(storedThrough === undefined ? {} : { storedThrough }),
    links: { before, directories }
  }
}
