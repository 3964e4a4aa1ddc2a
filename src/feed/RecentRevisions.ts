import { behindCommit, type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { RevisionMessage } from "../nats/CommitStream.ts"

/** The most revisions that an edge keeps for readers that come back soon. */
export const recentRevisionsMax = 2_048
/** About the most bytes of the recent revisions in memory. */
export const recentBytesMax = 8 * 1024 * 1024

/** The most revisions of one slice for a reader. */
export const sliceRevisionsMax = 128
/** About the most bytes of one slice. */
export const sliceBytesMax = 64 * 1024

/** Cuts revisions into slices for a reader. Each slice has at least one revision. */
export function* slicesOf(revisions: Iterable<RevisionMessage>): Generator<ReadonlyArray<RevisionMessage>> {
  let slice: Array<RevisionMessage> = []
  let bytes = 0
  for (const revision of revisions) {
    slice.push(revision)
    bytes += revision.text.length
    if (slice.length < sliceRevisionsMax && bytes < sliceBytesMax) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield slice
}

/** Keeps the newest revisions of the journal: all revisions after the place `floor`. */
export class RecentRevisions {
  private readonly held: Array<RevisionMessage> = []
  private bytes = 0
  private below: FeedPlace
  private newestPlace: FeedPlace

  /** Begins without revisions. `end` is the last sequence of the journal. */
  constructor(end: number) {
    this.below = behindCommit(end)
    this.newestPlace = this.below
  }

  /** The place after which all revisions are kept. */
  get floor(): FeedPlace {
    return this.below
  }

  /** The place of the newest revision. Before the first revision, this is the end of the journal. */
  get newest(): FeedPlace {
    return this.newestPlace
  }

  /** Adds revisions, and drops the oldest while a bound is exceeded. */
  push(revisions: ReadonlyArray<RevisionMessage>): void {
    for (const revision of revisions) {
      this.held.push(revision)
      this.bytes += revision.text.length
      this.newestPlace = revision.place
    }
    let dropped = 0
    for (const { place, text } of this.held) {
      if (this.held.length - dropped <= recentRevisionsMax && this.bytes <= recentBytesMax) break
      this.bytes -= text.length
      this.below = place
      dropped += 1
    }
    this.held.splice(0, dropped)
  }

  /**
   * Returns the first slice after a place, of one account or of all. Returns `undefined` if revisions after the place
   * were dropped.
   */
  after(place: FeedPlace, userToken?: string): ReadonlyArray<RevisionMessage> | undefined {
    if (isAfter(this.below, place)) return undefined
    const wanted = this.held
      .values()
      .filter((revision) => userToken === undefined || revision.userToken === userToken)
      .filter((revision) => isAfter(revision.place, place))
    return slicesOf(wanted).next().value ?? []
  }
}
