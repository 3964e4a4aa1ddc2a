import type { Counts } from "./Revision.ts"

/** A segment names at most this many directories, and at most this many segments after the newest directory. */
export const linksMax = 255
/**
 * The largest sum of the number of ids and the number of repeat counts in one segment. The sum is larger only if one
 * revision alone has more ids. A segment with the longest ids stays below the broker's `max_payload`.
 */
export const segmentIdsMax = 1_024

/**
 * The ids that one revision applied, and their fingerprints. The arrays of ids and of fingerprints are empty if the
 * revision applied nothing.
 */
export interface SealedRevision {
  /** The sequence of the commit that has the revision. */
  readonly sequence: number
  readonly purchaseIds: ReadonlyArray<string>
  readonly fingerprints: ReadonlyArray<number>
}

/** The part of the purchaseId set that a segment keeps. */
export interface SegmentContent {
  /** The revisions that the segment covers, oldest first. */
  readonly revisions: ReadonlyArray<SealedRevision>
  /** The counts of repeats, conflicts and reversed pieces that the segment keeps, by id. */
  readonly repeats: ReadonlyMap<string, Counts>
  /**
   * When the broker stored the account's newest entry up to the last covered revision, in milliseconds since 1970. Only
   * the last segment with revisions of a sealing has this time. Segments of earlier versions have no time.
   */
  readonly storedThrough?: number
}

/**
 * The segments that the next segment of an account names. Every {@link linksMax}th segment is a directory. Later
 * segments name the directory instead of the segments that the directory names. With directories, all segments of a
 * million ids are found in three rounds of reads.
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

/** Returns the links of the next segment, given the sequence and links of the segment before it. */
export const linksAfter = ({ before, directories }: SegmentLinks, sequence: number): SegmentLinks =>
  before.length >= linksMax
    ? { before: [], directories: [sequence, ...directories].slice(0, linksMax) }
    : { before: [sequence, ...before], directories }
