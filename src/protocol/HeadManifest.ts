import { Schema } from "effect"

const version = 2
const keyWords = 4

/** With so many hints the next write is a base, however small they are: a take-over reads each of them. */
export const hintsMax = 64

const Sequences = Schema.Array(Schema.Int)
const ManifestRecord = Schema.fromJsonString(
  Schema.Struct({
    v: Schema.Literal(version),
    key: Schema.Array(Schema.Int).check(Schema.isMinLength(keyWords), Schema.isMaxLength(keyWords)),
    through: Schema.Int,
    base: Sequences,
    baseBytes: Schema.Int,
    hints: Sequences,
    hintBytes: Schema.Int
  })
)

/** Which chunks make the heads of a partition, and how much of the chain they cover. */
export interface HeadManifest {
  /** The key of the hash under which users stand in the chunks: four words. */
  readonly key: ReadonlyArray<number>
  /** The sequence of the commit up to which the heads are complete. */
  readonly through: number
  /** The sequences of the chunks of the newest base, and their bytes together. */
  readonly base: ReadonlyArray<number>
  readonly baseBytes: number
  /** The same of the hints after it, oldest first. */
  readonly hints: ReadonlyArray<number>
  readonly hintBytes: number
}

export const encodeManifest = (manifest: HeadManifest): string => JSON.stringify({ v: version, ...manifest })

/** Decodes a manifest. Throws a SchemaError if the text is not one. */
export const decodeManifest: (text: string) => HeadManifest = Schema.decodeUnknownSync(ManifestRecord)

/** A hint or a base that was stored: its chunks and their bytes. */
export interface StoredHeads {
  readonly chunks: ReadonlyArray<number>
  readonly bytes: number
}

/** Whether a base is to be written instead of a hint: the hints would be as large as the base, or too many. */
export const isBaseDue = (manifest: HeadManifest, changedBytes: number): boolean =>
  manifest.hintBytes + changedBytes >= manifest.baseBytes || manifest.hints.length >= hintsMax

export const withHint = (manifest: HeadManifest, { chunks, bytes }: StoredHeads, through: number): HeadManifest => ({
  ...manifest,
  through,
  hints: [...manifest.hints, ...chunks],
  hintBytes: manifest.hintBytes + bytes
})

export const withBase = (manifest: HeadManifest, { chunks, bytes }: StoredHeads, through: number): HeadManifest => ({
  key: manifest.key,
  through,
  base: chunks,
  baseBytes: bytes,
  hints: [],
  hintBytes: 0
})

/** The manifest of a partition that has no heads yet. */
export const emptyManifest = (key: ReadonlyArray<number>): HeadManifest => ({
  key,
  through: 0,
  base: [],
  baseBytes: 0,
  hints: [],
  hintBytes: 0
})
