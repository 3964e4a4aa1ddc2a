import { Effect } from "effect"
import type { Revision } from "../account/Revision.ts"

/** A walk over some revisions of one account, from newer to older revisions. */
export interface RevisionWalk {
  /** The sequences of the revisions with which the walk begins, newest first. */
  readonly start: ReadonlyArray<number>
  /** The walk reads no revision at or before this sequence. */
  readonly after: number
  /** Takes the next older revision of the account. Returns whether the walk needs still older revisions. */
  readonly take: (sequence: number, revision: Revision) => boolean
  /** The caller calls `finish` once, after the last revision of the walk. */
  readonly finish: () => void
}

/**
 * The number of revisions in the first read of a walk, which is small because most windows are short. Each further read
 * may have twice as many revisions, but at most as many as one revision names.
 */
const readsAtOnceMin = 2

/** Reads the revisions of a walk, and ends the walk. `revisionAt` returns the account's revision at a sequence. */
const walkBack = Effect.fnUntraced(function* <E, R>(
  { start, after, take, finish }: RevisionWalk,
  revisionAt: (sequence: number) => Effect.Effect<Revision, E, R>
): Effect.fn.Return<void, E, R> {
  let atOnce = readsAtOnceMin
  let isOver = false
  for (let named = start; named.length > 0 && !isOver;) {
    const sequences = named.filter((sequence) => sequence > after).slice(0, atOnce)
    const revisions = yield* Effect.forEach(sequences, revisionAt, { concurrency: "unbounded" })
    isOver = revisions.some((revision, index) => !take(sequences[index] as number, revision))
    named = revisions.at(-1)?.previous ?? []
    atOnce *= 2
  }
  finish()
})

/** The most times that a caller asks which walks are missing. A long window needs its block only after its first walk. */
const roundsMax = 2

/**
 * Makes the walks that `missing` returns, one after another, and then the walks that are still missing. `reader` is
 * called once for each walk, and returns a function that returns the account's revision at a sequence.
 */
export const walkAll = Effect.fnUntraced(function* <E, R>(
  missing: () => ReadonlyArray<RevisionWalk>,
  reader: () => (sequence: number) => Effect.Effect<Revision, E, R>
): Effect.fn.Return<void, E, R> {
  for (let round = 1; round <= roundsMax; round += 1) {
    for (const walk of missing()) yield* walkBack(walk, reader())
  }
})
