import { Schema } from "effect"

const version = 2
const keyWords = 4

/**
 * After this many chunks of hints the next write is a base, however small the hints are, because a take-over reads each
 * chunk.
 */
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

/** Names the chunks that hold the heads of a partition, and says up to which commit these heads cover the chain. */
export interface HeadManifest {
  /** The key of the hash that the chunks hold instead of user tokens. The key has four words of 32 bits. */
  readonly key: ReadonlyArray<number>
  /** The sequence of the commit up to which the heads are complete. */
  readonly through: number
  /** The sequences of the chunks of the newest base. */
  readonly base: ReadonlyArray<number>
  /** The bytes of all chunks of the base. */
  readonly baseBytes: number
  /** The sequences of the chunks of the hints after the base, oldest first. */
  readonly hints: ReadonlyArray<number>
  /** The bytes of all chunks of the hints. */
  readonly hintBytes: number
}

/** Writes a manifest as JSON. */
export const encodeManifest = (manifest: HeadManifest): string => JSON.stringify({ v: version, ...manifest })

/** Decodes a manifest. Throws a SchemaError if the text is not a manifest. */
export const decodeManifest: (text: string) => HeadManifest = Schema.decodeUnknownSync(ManifestRecord)

/** A stored hint or base: the sequences of its chunks, and the bytes of all chunks together. */
export interface StoredHeads {
  readonly chunks: ReadonlyArray<number>
  readonly bytes: number
}

/**
 * Returns whether the next write has to be a base. A base is due if the next hint would make all hints together as
 * large as the newest base. A base is due in any case if the hints have {@link hintsMax} chunks.
 */
export const isBaseDue = (manifest: HeadManifest, changedBytes: number): boolean =>
  manifest.hintBytes + changedBytes >= manifest.baseBytes || manifest.hints.length >= hintsMax

/**
 * Returns the manifest with the chunks of a new hint added. With the hint, the heads cover the chain up to `through`.
 */
export const withHint = (manifest: HeadManifest, { chunks, bytes }: StoredHeads, through: number): HeadManifest => ({
  ...manifest,
  through,
  hints: [...manifest.hints, ...chunks],
  hintBytes: manifest.hintBytes + bytes
})

/** Returns the manifest that names a new base. The base covers the chain up to `through`. */
export const withBase = (manifest: HeadManifest, { chunks, bytes }: StoredHeads, through: number): HeadManifest => ({
  key: manifest.key,
  through,
  base: chunks,
  baseBytes: bytes,
  hints: [],
  hintBytes: 0
})

/** Returns the manifest of a partition that has no heads yet. */
export const emptyManifest = (key: ReadonlyArray<number>): HeadManifest => ({
  key,
  through: 0,
  base: [],
  baseBytes: 0,
  hints: [],
  hintBytes: 0
})
