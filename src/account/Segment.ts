import type { Repeats } from "./Revision.ts"

/** The most segments that a segment names, and also the most directories. */
export const linksMax = 255
/**
 * The most ids of one segment, unless a single revision has more. It is also the most counts of repeats. A segment with
 * the longest ids stays below the broker's `max_payload`.
 */
export const segmentIdsMax = 1_024

/** The ids that one revision applied, and their fingerprints. Both arrays are empty if it applied nothing. */
export interface SealedRevision {
  /** The sequence of its commit. */
  readonly sequence: number
  readonly purchaseIds: ReadonlyArray<string>
  readonly fingerprints: ReadonlyArray<number>
}

/** The part of the purchaseId set that a segment keeps. */
export interface SegmentContent {
  /** Oldest first. */
  readonly revisions: ReadonlyArray<SealedRevision>
  /** The repeats and conflicts that those revisions counted. */
  readonly repeats: ReadonlyMap<string, Repeats>
}

/**
 * The segments that the next segment of an account names. Every {@link linksMax}th segment is a directory. Later
 * segments name the directory instead of the segments that it names. So a million ids are found in three steps.
 */
export interface SegmentLinks {
  /** The sequences of the segments after the newest directory, newest first. */
  readonly before: ReadonlyArray<number>
  /** The sequences of the newest directories, newest first. */
  readonly directories: ReadonlyArray<number>
}

/** A sealed part of an account's purchaseId set: one message of `segment.<partition>`, which never changes. */
export interface Segment extends SegmentContent {
  /** The subject token of the account's user. */
  readonly userToken: string
  readonly links: SegmentLinks
}

/** The links of an account without a segment. */
export const noLinks: SegmentLinks = { before: [], directories: [] }

/** Returns the links for the segment after the one that was stored at `sequence` with the given links. */
export const linksAfter = ({ before, directories }: SegmentLinks, sequence: number): SegmentLinks =>
  before.length >= linksMax
    ? { before: [], directories: [sequence, ...directories].slice(0, linksMax) }
    : { before: [sequence, ...before], directories }
