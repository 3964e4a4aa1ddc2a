import { addCounts } from "../account/PurchaseIdSet.ts"
import type { Counts } from "../account/Revision.ts"
import { linksAfter, type Segment, type SegmentLinks } from "../account/Segment.ts"
import type { AuditedUsers } from "./AuditedUsers.ts"
import { RevisionDigest } from "./RevisionDigest.ts"

/** A revision that no segment covers yet, or a revision as a segment has it. */
export interface CoveredRevision {
  /** The sequence of the revision's commit. */
  readonly sequence: number
  readonly count: number
  readonly ids: number
  readonly prints: number
}

/** A revision that no named segment covers. */
export interface UnsealedRevision extends CoveredRevision {
  /** The counts of repeats and reversed pieces of the revision; `undefined` without such counts. */
  readonly counts: ReadonlyMap<string, Counts> | undefined
  /** When the broker stored the account's newest entry up to this revision, in milliseconds since 1970. */
  readonly storedThrough: number
  /** Whether the revision cannot be read, so that its ids are not known. */
  readonly isUnreadable: boolean
}

/** A segment that was read, and that no revision has named yet. */
export interface ReadSegment {
  readonly sequence: number
  readonly links: SegmentLinks
  readonly revisions: ReadonlyArray<CoveredRevision>
  readonly counts: ReadonlyMap<string, Counts>
  /** The time of the newest covered entry; `undefined` in segments of earlier versions, and if a later segment has it. */
  readonly storedThrough: number | undefined
  /** The partition whose key has the segment. */
  readonly partition: number
}

/** About the bytes in memory of a read segment without its revisions, of a revision, and of the counts of an id. */
export const segmentBytes = 256
export const revisionBytes = 96
export const countsBytes = 160

/** Reads a segment. Keeps the sums of its ids, and not the ids. */
export const readSegmentOf = (
  users: AuditedUsers,
  { userToken, revisions, repeats, storedThrough, links }: Segment,
  sequence: number,
  partition: number
): ReadSegment => ({
  sequence,
  links,
  partition,
  counts: repeats,
  storedThrough,
  revisions: revisions.map(({ sequence: covered, purchaseIds, fingerprints }) => {
    const digest = new RevisionDigest()
    for (const [index, setId] of purchaseIds.entries()) {
      digest.add(users.hashOfId(userToken, setId), fingerprints[index] as number)
    }
    return { sequence: covered, count: digest.count, ids: digest.ids, prints: digest.prints }
  })
})

const isSame = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): boolean =>
  one.length === other.length && one.every((sequence, index) => sequence === other[index])

/**
 * Returns the segments that were stored together with a named segment, oldest first. The named segment is the last one.
 */
export const segmentsThrough = (
  read: ReadonlyArray<ReadSegment>,
  named: ReadSegment,
  before: number
): ReadonlyArray<ReadSegment> => {
  const linked = new Set([...named.links.before, ...named.links.directories])
  const further = read.filter(({ sequence }) => sequence > before && linked.has(sequence))
  return [...further.sort((one, other) => one.sequence - other.sequence), named]
}

/** Compares the links of segments with the links that they must have. Returns the links of the next segment. */
export const checkLinks = (
  segments: ReadonlyArray<ReadSegment>,
  first: SegmentLinks,
  wrong: (problem: string) => void
): SegmentLinks => {
  let expected = first
  for (const { sequence, links } of segments) {
    const isRight = isSame(links.before, expected.before) && isSame(links.directories, expected.directories)
    if (!isRight) wrong(`segment ${sequence} does not name the segments before it`)
    expected = linksAfter(links, sequence)
  }
  return expected
}

const differenceOf = (covered: CoveredRevision, unsealed: UnsealedRevision): string | undefined => {
  if (unsealed.isUnreadable) return undefined
  if (covered.count !== unsealed.count) return `${covered.count} ids for the ${unsealed.count} entries`
  if (covered.ids !== unsealed.ids) return "other ids than the entries"
  return covered.prints === unsealed.prints ? undefined : "other fingerprints than the entries"
}

/**
 * Compares the revisions that segments cover with the unsealed revisions of the account. Returns the number of
 * revisions that are sealed now, or `undefined` if the segments cover other revisions.
 */
const checkRevisions = (
  segments: ReadonlyArray<ReadSegment>,
  unsealed: ReadonlyArray<UnsealedRevision>,
  wrong: (problem: string) => void
): number | undefined => {
  let sealed = 0
  for (const { sequence: segment, revisions, storedThrough } of segments) {
    for (const covered of revisions) {
      const expected = unsealed[sealed]
      if (expected?.sequence !== covered.sequence) {
        const instead = expected === undefined ? "all revisions are covered" : `${expected.sequence} comes next`
        wrong(`segment ${segment} covers revision ${covered.sequence}, and ${instead}`)
        return undefined
      }
      const difference = differenceOf(covered, expected)
      if (difference !== undefined) wrong(`segment ${segment} has ${difference} of commit ${covered.sequence}`)
      sealed += 1
    }
    const newest = unsealed[sealed - 1]
    if (newest === undefined || newest.isUnreadable || storedThrough === undefined) continue
    if (storedThrough === newest.storedThrough) continue
    wrong(`segment ${segment} has the time ${storedThrough} of the newest entry, which is of ${newest.storedThrough}`)
  }
  return sealed
}

const sameCounts = (one: Counts, other: Counts | undefined): boolean =>
  one.repeats === other?.repeats &&
  one.conflicts === other.conflicts &&
  one.reversed === other.reversed &&
  one.lastReversal === other.lastReversal

const checkCounts = (
  segments: ReadonlyArray<ReadSegment>,
  sealed: ReadonlyArray<UnsealedRevision>,
  wrong: (problem: string) => void
): void => {
  if (sealed.some(({ isUnreadable }) => isUnreadable)) return
  const expected = new Map<string, Counts>()
  for (const { counts } of sealed) for (const [setId, more] of counts ?? []) addCounts(expected, setId, more)
  // A revision may name the segments of two sealings, and both may count the same id.
  const found = new Map<string, Counts>()
  for (const { counts } of segments) for (const [setId, more] of counts) addCounts(found, setId, more)
  const segment = segments.at(-1)?.sequence
  if (found.size !== expected.size) wrong(`segment ${segment} has counts of ${found.size} ids, not ${expected.size}`)
  else if ([...expected].some(([setId, counts]) => !sameCounts(counts, found.get(setId)))) {
    wrong(`segment ${segment} counts other repeats or reversed pieces than its revisions`)
  }
}

/**
 * Compares segments that a revision names with the unsealed revisions of the account. Returns the number of the
 * revisions that the segments cover, or `undefined` if the segments cover other revisions.
 */
export const checkSegments = (
  segments: ReadonlyArray<ReadSegment>,
  unsealed: ReadonlyArray<UnsealedRevision>,
  wrong: (problem: string) => void
): number | undefined => {
  const sealed = checkRevisions(segments, unsealed, wrong)
  if (sealed !== undefined) checkCounts(segments, unsealed.slice(0, sealed), wrong)
  return sealed
}
