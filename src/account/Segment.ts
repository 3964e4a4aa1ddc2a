import type { Repeats } from "./Revision.ts"

/** The most segments, and the most directories, that a segment names. */
export const linksMax = 255
/**
 * The most ids of one segment, unless a single revision has more, and the most counts of repeats. With the longest ids
 * both together stay below the broker's `max_payload`.
 */
export const segmentIdsMax = 1_024

/** The ids that one revision applied. Both arrays have the same length, which is 0 if it applied nothing. */
export interface SealedRevision {
  /** The sequence of its commit. */
  readonly sequence: number
  readonly purchaseIds: ReadonlyArray<string>
  readonly fingerprints: ReadonlyArray<number>
}

/** What a segment keeps of the revisions that it covers. */
export interface SegmentContent {
  /** Oldest first. */
  readonly revisions: ReadonlyArray<SealedRevision>
  /** What those revisions added to the repeats of any purchase. */
  readonly repeats: ReadonlyMap<string, Repeats>
}

/**
 * The segments that the next segment of an account names. Every {@link linksMax}th is a directory: the segments after it
 * name it, and not those that it names itself. So a million ids are found in three steps.
 */
export interface SegmentLinks {
  /** The sequences of the segments after the newest directory, newest first. */
  readonly before: ReadonlyArray<number>
  /** The sequences of the newest directories, newest first. */
  readonly directories: ReadonlyArray<number>
}

/** A sealed part of an account's purchaseId set: one message of `segment.<partition>`, which never changes. */
export interface Segment extends SegmentContent {
  readonly userToken: string
  readonly links: SegmentLinks
}

/** The links of an account without a segment. */
export const noLinks: SegmentLinks = { before: [], directories: [] }

/** Returns what the segment after one names, which was stored at a sequence with these links. */
export const linksAfter = ({ before, directories }: SegmentLinks, sequence: number): SegmentLinks =>
  before.length >= linksMax
    ? { before: [], directories: [sequence, ...directories].slice(0, linksMax) }
    : { before: [sequence, ...before], directories }
