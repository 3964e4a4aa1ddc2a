import { Schema } from "effect"
import type { Segment } from "../account/Segment.ts"
import { CountedIds, repeatMap, repeatTuples } from "./RevisionCodec.ts"

/** The version of the records of segments. */
const version = 2

const isTextArray = (value: unknown): boolean =>
  Array.isArray(value) && value.every((member) => typeof member === "string")
const isNumberArray = (value: unknown): boolean =>
  Array.isArray(value) && value.every((member) => typeof member === "number")

type RevisionTuple = readonly [sequence: number, ids: ReadonlyArray<string>, fingerprints: ReadonlyArray<number>]

// An account can have a million ids, and Schema's own arrays and tuples are much slower.
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

const SegmentRecord = Schema.fromJsonString(
  Schema.Struct({
    v: Schema.Literal(version),
    kind: Schema.Literal("segment"),
    user: Schema.String,
    revisions: RevisionTuples,
    repeats: CountedIds,
    before: Schema.Array(Schema.Int),
    directories: Schema.Array(Schema.Int)
  })
)

/** Writes a segment as JSON. */
export const encodeSegment = ({ userToken, revisions, repeats, links }: Segment): string =>
  JSON.stringify({
    v: version,
    kind: "segment",
    user: userToken,
    revisions: revisions.map(({ sequence, purchaseIds, fingerprints }) => [sequence, purchaseIds, fingerprints]),
    repeats: repeatTuples(repeats),
    before: links.before,
    directories: links.directories
  })

const segmentRecordFrom = Schema.decodeUnknownSync(SegmentRecord)

/** Decodes a segment. Throws a SchemaError if the text is not one. */
export const decodeSegment = (text: string): Segment => {
  const { user, revisions, repeats, before, directories } = segmentRecordFrom(text)
  return {
    userToken: user,
    revisions: revisions.map(([sequence, purchaseIds, fingerprints]) => ({ sequence, purchaseIds, fingerprints })),
    repeats: repeatMap(repeats),
    links: { before, directories }
  }
}
