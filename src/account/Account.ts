import type { Cents } from "./Money.ts"
import { type Delivered, purchaseEntry, requestFingerprint, requestSetId } from "./Delivered.ts"
import { entryFingerprint, entryTotal, reversalSetId, setIdOf } from "./Entry.ts"
import { addCounts, addRepeats, PurchaseIdSet } from "./PurchaseIdSet.ts"
import { type AppliedPurchase, type Counts, previousRevisionsMax, type Repeats, type Revision } from "./Revision.ts"
import { type Refusal, Reversing, type Targets } from "./Reversing.ts"
import { type SealMark, SealMarks } from "./SealMarks.ts"
import { noLinks, type SealedRevision, type SegmentContent, segmentIdsMax, type SegmentLinks } from "./Segment.ts"

export type { Delivered, DeliveredPurchase, DeliveredReversal } from "./Delivered.ts"
export type { Refusal, Targets } from "./Reversing.ts"

/**
 * The bounds of the unsealed part of an account. To seal ids is to store them in a segment. The default bounds of
 * sealing are {@link sealBounds}.
 */
export interface SealBounds {
  /**
   * Sealing begins at this many unsealed ids and counts of repeats together, or at `revisionsMin` unsealed revisions.
   */
  readonly idsMin: number
  readonly revisionsMin: number
  /**
   * At this many unsealed revisions, the next revision waits until the segment in flight is stored. `revisionsMax`
   * bounds the commits that are read to load an account.
   */
  readonly revisionsMax: number
  /**
   * At this many unsealed ids, the next revision waits until the segment in flight is stored. A segment takes no
   * further revision that would bring the segment above this number of ids.
   */
  readonly idsMax: number
}

/** The most unsealed revisions of an account. */
export const unsealedRevisionsMax = 32
/** The bounds of all accounts outside of simulations. */
export const sealBounds: SealBounds = {
  idsMin: 256,
  revisionsMin: 24,
  revisionsMax: unsealedRevisionsMax,
  idsMax: segmentIdsMax
}

/**
 * An account as its actor holds it. The purchaseId set of an account can have a million ids, so the functions of this
 * module change an account in place.
 */
export interface Account {
  /** The sum of all applied purchases, in cents. */
  total: Cents
  /** The number of entries: applied purchases, and reversals. */
  count: number
  /** The number of reversals among the entries. */
  reversals: number
  /**
   * The input sequence up to which the purchases of the account are decided. When the input log is read again, an actor
   * skips the input up to `decidedThrough`.
   */
  decidedThrough: number
  /** When the broker stored the newest applied purchase, in milliseconds since 1970; 0 before the first purchase. */
  storedThrough: number
  /** The sequence of the commit with the newest revision, 0 before the first revision. */
  revisionSequence: number
  /** The number of newest revisions that no stored segment covers. */
  unsealedRevisions: number
  /**
   * The repeats and the reversed pieces that the unsealed revisions count, by id; `undefined` without such counts. The
   * map does not have the counts that the segment in flight stores.
   */
  unsealedRepeats: Map<string, Counts> | undefined
  /** The number of unsealed revisions that the segment in flight covers; 0 if no segment is in flight. */
  sealing: number
  /** The sequence of the newest revision that a segment covers, or will cover when it is stored. */
  sealedThrough: number
  /** The sequence of the newest segment, 0 before the first segment. */
  segment: number
  /** The segments that the next segment names. */
  links: SegmentLinks
  /** The ids of all entries. */
  readonly purchaseIds: PurchaseIdSet
  /**
   * The sequences of the revisions that applied something, oldest first. The list `applying` only grows, and only at
   * its end.
   */
  applying: Array<number>
  /**
   * The sequences of revisions that only count repeats, oldest first; `undefined` without such revisions, as in most
   * accounts.
   */
  idle: Array<number> | undefined
  /** The newest entries of the segments; `undefined` before the first segment that tells its newest entry. */
  marks: SealMarks | undefined
}

/** The decision on delivered purchases and reversals, for one state of the account. */
export interface Decision {
  /** The entries to apply, in the order of the input log. */
  readonly applied: ReadonlyArray<AppliedPurchase>
  /** How often each id of the purchaseId set came again, as a repeat or as a conflict. */
  readonly repeats: ReadonlyMap<string, Repeats>
  /** The delivered purchases and reversals whose id was applied with another content. */
  readonly conflicts: ReadonlyArray<Delivered>
  /**
   * Reversals that are refused. A refused reversal leaves no trace in the account, so its rejected record is stored
   * before the position passes it.
   */
  readonly refusals: ReadonlyArray<Refusal>
  /** The fingerprints of `applied`, in the same order. */
  readonly fingerprints: ReadonlyArray<number>
  /** The number of reversals among `applied`. */
  readonly reversals: number
  /** The total of the account after the decision, in cents. */
  readonly total: Cents
  /** The input sequence up to which the account's purchases are decided after this decision. */
  readonly decidedThrough: number
}

/** The empty map that all decisions without repeats share. Nearly all decisions have no repeats. */
const noRepeats: ReadonlyMap<string, Repeats> = new Map()
const noCounts: ReadonlyMap<string, Counts> = new Map()
const noSequences: ReadonlyArray<number> = []
const noConflicts: ReadonlyArray<Delivered> = []
const noEntries: ReadonlyArray<AppliedPurchase> = []
const noRefusals: ReadonlyArray<Refusal> = []
const noTargets: Targets = new Map()
/** Lists of up to this many sequences take no more memory than they need. Most accounts have few revisions. */
const exactLengthMax = 4

/** Returns the account of a new user. */
export const emptyAccount = (): Account => ({
  total: 0n,
  count: 0,
  reversals: 0,
  decidedThrough: 0,
  storedThrough: 0,
  revisionSequence: 0,
  unsealedRevisions: 0,
  unsealedRepeats: undefined,
  sealing: 0,
  sealedThrough: 0,
  segment: 0,
  links: noLinks,
  purchaseIds: new PurchaseIdSet(),
  applying: [],
  idle: undefined,
  marks: undefined
})

/**
 * Returns the applied purchases whose contents {@link decide} needs for delivered reversals: the sequence of the commit
 * that applied each, by purchase id. Returns `undefined` if {@link decide} needs no content. A reversal that was
 * decided before, or whose purchase is not applied, needs no content.
 */
export const targetsNeeded = (
  { purchaseIds, decidedThrough }: Account,
  deliveries: ReadonlyArray<Delivered>
): Map<string, number> | undefined => {
  let needed: Map<string, number> | undefined
  for (const { reversal, inputSequence } of deliveries) {
    if (reversal === undefined || inputSequence <= decidedThrough) continue
    if (purchaseIds.fingerprintOf(reversalSetId(reversal.reversalId)) !== undefined) continue
    const applied = purchaseIds.get(reversal.purchaseId)
    if (applied !== undefined) (needed ??= new Map()).set(reversal.purchaseId, applied.sequence)
  }
  return needed
}

/**
 * Decides how delivered purchases and reversals change an account, and changes nothing. Each purchase id, and each
 * reversal id, is applied once. A purchase under an applied id is a repeat if its content is the same, and else a
 * conflict. Input up to `decidedThrough` is skipped, because the account has counted or refused it before. After a
 * crash the input log is read again, so input that was decided before comes again.
 *
 * A reversal is refused if its purchase is not applied, or if it asks for more pieces than are left. The purchase of a
 * reversal may stand before the reversal in `deliveries`. `targets` has the contents of the purchases that {@link
 * targetsNeeded} returned.
 *
 * The times of an account's entries never fall. If the broker's clock steps back, an entry gets the time of the entry
 * before it. Windows of rules and totals of the past need times that rise.
 */
export const decide = (
  account: Account,
  deliveries: ReadonlyArray<Delivered>,
  targets: Targets = noTargets
): Decision => {
  let applied: Array<AppliedPurchase> | undefined
  let fingerprints: Array<number> | undefined
  let appliedFingerprints: Map<string, number> | undefined
  let repeats: Map<string, Repeats> | undefined
  let conflicts: Array<Delivered> | undefined
  let reversing: Reversing | undefined
  let total = account.total
  let { decidedThrough, storedThrough } = account
  for (const delivered of deliveries) {
    const { inputSequence } = delivered
    const setId = requestSetId(delivered)
    const fingerprint = requestFingerprint(delivered)
    const known = account.purchaseIds.fingerprintOf(setId) ?? appliedFingerprints?.get(setId)
    if (known === undefined) {
      const storedAt = delivered.storedAt > storedThrough ? delivered.storedAt : storedThrough
      const entry =
        delivered.reversal === undefined
          ? purchaseEntry(delivered, storedAt)
          : (reversing ??= new Reversing(account, targets)).entryOf(delivered, storedAt, applied ?? noEntries, total)
      if (entry !== undefined) {
        if (deliveries.length > 1) (appliedFingerprints ??= new Map()).set(setId, fingerprint)
        storedThrough = storedAt
        total += entryTotal(entry)
        // A `push` makes the engine reserve room for 17 elements. Most decisions apply one purchase.
        if (applied === undefined || fingerprints === undefined) {
          applied = [entry]
          fingerprints = [fingerprint]
        } else {
          applied.push(entry)
          fingerprints.push(fingerprint)
        }
      }
    } else if (inputSequence > account.decidedThrough) {
      const conflicting = known !== fingerprint
      repeats ??= new Map()
      addRepeats(repeats, setId, { repeats: conflicting ? 0 : 1, conflicts: conflicting ? 1 : 0 })
      if (conflicting) (conflicts ??= []).push(delivered)
    }
    if (inputSequence > decidedThrough) decidedThrough = inputSequence
  }
  return {
    applied: applied ?? noEntries,
    fingerprints: fingerprints ?? noSequences,
    repeats: repeats ?? noRepeats,
    conflicts: conflicts ?? noConflicts,
    refusals: reversing?.refusals ?? noRefusals,
    reversals: reversing?.applied ?? 0,
    total,
    decidedThrough
  }
}

/** Returns whether a decision leaves nothing to write: all input had been decided before, or was refused. */
export const isEmpty = (decision: Decision): boolean => decision.applied.length === 0 && decision.repeats.size === 0

/** Returns whether a segment should be stored, although no revision has to wait for the segment yet. */
export const isSealDue = (
  { purchaseIds, unsealedRevisions, unsealedRepeats, sealing }: Account,
  { idsMin, revisionsMin }: SealBounds = sealBounds
): boolean =>
  sealing === 0 &&
  (purchaseIds.unsealedSize + (unsealedRepeats?.size ?? 0) >= idsMin || unsealedRevisions >= revisionsMin)

/**
 * Returns whether the account is at a bound. At a bound, the next revision has to wait for the segment in flight, and
 * has to name the segment.
 */
export const mustAwaitSeal = (
  { purchaseIds, unsealedRevisions, sealing }: Account,
  { revisionsMax, idsMax }: SealBounds = sealBounds
): boolean => sealing > 0 && (unsealedRevisions >= revisionsMax || purchaseIds.unsealedSize >= idsMax)

/** Returns the unsealed revisions with their ids, oldest first. */
const unsealedRevisionsOf = ({ purchaseIds, idle, sealedThrough }: Account): Array<SealedRevision> => {
  const revisions = purchaseIds.unsealedRevisions()
  for (const sequence of idle ?? []) {
    if (sequence > sealedThrough) revisions.push({ sequence, purchaseIds: [], fingerprints: [] })
  }
  return revisions.sort((one, other) => one.sequence - other.sequence)
}

/** Cuts revisions into parts that each fit into one segment. Each revision stays whole in one part. */
const partsOfRevisions = (
  revisions: ReadonlyArray<SealedRevision>,
  idsMax: number
): Array<ReadonlyArray<SealedRevision>> => {
  const parts: Array<Array<SealedRevision>> = [[]]
  let ids = 0
  for (const revision of revisions) {
    if (ids > 0 && ids + revision.purchaseIds.length > idsMax) {
      parts.push([])
      ids = 0
    }
    parts.at(-1)?.push(revision)
    ids += revision.purchaseIds.length
  }
  return parts
}

/** Cuts the counts of repeats, which segments hold beside the ids, into parts that each fit into one segment. */
const partsOfRepeats = (repeats: ReadonlyMap<string, Counts>): Array<ReadonlyMap<string, Counts>> => {
  if (repeats.size <= segmentIdsMax) return [repeats]
  const counted = [...repeats]
  const parts: Array<ReadonlyMap<string, Counts>> = []
  for (let from = 0; from < counted.length; from += segmentIdsMax) {
    parts.push(new Map(counted.slice(from, from + segmentIdsMax)))
  }
  return parts
}

/** Takes the mark of a segment. The marks of older segments are taken first. */
const takeMark = (account: Account, mark: SealMark): void => {
  account.marks ??= new SealMarks()
  account.marks.add(mark)
}

/**
 * Begins to seal everything that is unsealed. Returns the contents of the segments, in the order in which to store
 * them. Returns several segments only if the ids or the counts of repeats are too many for one segment.
 */
export const beginSeal = (account: Account, { idsMax }: SealBounds = sealBounds): ReadonlyArray<SegmentContent> => {
  const revisions = partsOfRevisions(unsealedRevisionsOf(account), idsMax)
  const repeats = partsOfRepeats(account.unsealedRepeats ?? noCounts)
  account.purchaseIds.seal()
  account.unsealedRepeats = undefined
  account.sealing = account.unsealedRevisions
  account.sealedThrough = account.revisionSequence
  const { storedThrough } = account
  takeMark(account, { index: account.applying.length, number: account.count, storedAt: storedThrough })
  const [first = [], ...further] = revisions
  const ids = first.reduce((sum, { purchaseIds }) => sum + purchaseIds.length, 0)
  const [counts = noCounts] = repeats
  // With the longest ids, a segment with many ids and many counts could be larger than a message of the broker.
  if (further.length === 0 && repeats.length === 1 && ids + counts.size <= segmentIdsMax) {
    return [{ revisions: first, repeats: counts, storedThrough }]
  }
  return [
    ...revisions.map((part) => ({
      revisions: part,
      repeats: noCounts,
      ...(part === revisions.at(-1) ? { storedThrough } : {})
    })),
    ...repeats.flatMap((part) => (part.size === 0 ? [] : [{ revisions: [], repeats: part }]))
  ]
}

/**
 * Ends the sealing that {@link beginSeal} began, when all of its segments are stored. `segment` is the sequence of the
 * last segment.
 */
export const endSeal = (account: Account, segment: number, links: SegmentLinks): void => {
  account.segment = segment
  account.links = links
  account.unsealedRevisions -= account.sealing
  account.sealing = 0
}

/** Returns the sequences of the newest revisions, newest first, for the next revision to name. */
const previousOf = (account: Account): Array<number> => {
  const { applying } = account
  const idle = account.idle ?? noSequences
  const newest = applying.slice(-previousRevisionsMax).toReversed()
  if (idle.length === 0) return newest
  return [...newest, ...idle.slice(-previousRevisionsMax)]
    .sort((one, other) => other - one)
    .slice(0, previousRevisionsMax)
}

/**
 * Returns the revision that records a decision. The account must be the account of the decision, unchanged since the
 * decision.
 */
export const revisionOf = (account: Account, decision: Decision): Revision => ({
  total: decision.total,
  count: account.count + decision.applied.length,
  reversals: account.reversals + decision.reversals,
  decidedThrough: decision.decidedThrough,
  purchases: decision.applied,
  repeats: decision.repeats,
  previous: previousOf(account),
  unsealed: account.unsealedRevisions + 1,
  segment: account.segment
})

/**
 * Returns the list with `sequence` added at its end. A short list is copied, because a `push` makes the engine reserve
 * room for 17 elements.
 */
const appended = (list: Array<number>, sequence: number): Array<number> => {
  if (list.length < exactLengthMax) return list.concat([sequence])
  list.push(sequence)
  return list
}

/**
 * Takes the time of the newest purchase of a revision into the account. The reader of an account calls
 * `takeStoredThrough` only if the newest revisions of the account have no purchase.
 */
export const takeStoredThrough = (account: Account, { purchases }: Pick<Revision, "purchases">): void => {
  // In ledgers of earlier versions, a purchase may have an earlier time than the purchase before it.
  for (const { storedAt } of purchases) if (storedAt > account.storedThrough) account.storedThrough = storedAt
}

/** Adds `counts` to the counts of an id, in the purchaseId set and among the unsealed counts. */
const count = (account: Account, setId: string, counts: Counts): void => {
  account.unsealedRepeats ??= new Map()
  addCounts(account.unsealedRepeats, setId, counts)
  account.purchaseIds.count(setId, counts)
}

/** Adds the entries and repeats of one unsealed revision to the purchaseId set. */
const takeMembers = (
  account: Account,
  revision: Revision,
  sequence: number,
  fingerprints: ReadonlyArray<number>
): void => {
  if (revision.purchases.length > 0) account.applying = appended(account.applying, sequence)
  else (account.idle ??= []).push(sequence)
  for (const [index, entry] of revision.purchases.entries()) {
    account.purchaseIds.add(setIdOf(entry), sequence, fingerprints[index] as number)
    if (entry.reversal === undefined) continue
    count(account, entry.purchaseId, { repeats: 0, conflicts: 0, reversed: entry.quantity, lastReversal: sequence })
  }
  for (const [setId, { repeats, conflicts }] of revision.repeats) {
    count(account, setId, { repeats, conflicts, reversed: 0, lastReversal: 0 })
  }
}

/**
 * Takes a committed revision into the account. `sequence` is the sequence of the revision's commit. A caller that has
 * just decided the revision passes the fingerprints of its purchases. Without passed fingerprints, the function
 * computes the fingerprints of the purchases.
 */
export const evolve = (
  account: Account,
  revision: Revision,
  sequence: number,
  fingerprints: ReadonlyArray<number> = revision.purchases.map(entryFingerprint)
): void => {
  account.total = revision.total
  account.count = revision.count
  account.reversals = revision.reversals
  account.decidedThrough = revision.decidedThrough
  account.revisionSequence = sequence
  account.unsealedRevisions = revision.unsealed
  takeStoredThrough(account, revision)
  takeMembers(account, revision, sequence, fingerprints)
}

/**
 * Takes the ids of a segment into an account that is being read. A caller first passes all segments in any order, next
 * calls {@link takeSealedParts}, and last passes the unsealed revisions to {@link evolve}, oldest first.
 */
export const takeSegment = (account: Account, { revisions, repeats }: SegmentContent): void => {
  account.purchaseIds.addSealed(revisions)
  for (const [setId, counts] of repeats) account.purchaseIds.count(setId, counts)
}

/** A sealed revision: the sequence of its commit, and the number of entries that it applied. */
interface SealedOrder {
  readonly sequence: number
  /** The number is 0 if the revision only counts repeats. */
  readonly entries: number
}

/** A segment without its ids. */
export interface SealedPart {
  /** The covered revisions, oldest first. */
  readonly order: ReadonlyArray<SealedOrder>
  readonly storedThrough: number | undefined
}

/** Returns a segment without its ids. */
export const sealedPartOf = ({ revisions, storedThrough }: SegmentContent): SealedPart => ({
  order: revisions.map(({ sequence, purchaseIds }) => ({ sequence, entries: purchaseIds.length })),
  storedThrough
})

/** Takes the order of all sealed revisions into an account that is being read. The oldest segment comes first. */
export const takeSealedParts = (account: Account, parts: Iterable<SealedPart>): void => {
  let number = 0
  for (const { order, storedThrough } of parts) {
    for (const { sequence, entries } of order) {
      if (entries === 0) (account.idle ??= []).push(sequence)
      else account.applying.push(sequence)
      account.sealedThrough = sequence
      number += entries
    }
    if (storedThrough !== undefined)
      takeMark(account, { index: account.applying.length, number, storedAt: storedThrough })
  }
}

/** A revision with the sequence of its commit. */
export interface StoredRevision {
  /** The sequence of the commit that has the revision. */
  readonly sequence: number
  readonly revision: Revision
}

/** Returns the sequences of the first revisions after the sequence `after`, oldest first, at most `limit`. */
export const revisionsAfter = ({ applying, idle }: Account, after: number, limit: number): Array<number> => {
  const firstOf = (sequences: ReadonlyArray<number>) => {
    let low = 0
    for (let high = sequences.length; low < high;) {
      const middle = (low + high) >>> 1
      if ((sequences[middle] as number) > after) high = middle
      else low = middle + 1
    }
    return sequences.slice(low, low + limit)
  }
  return [...firstOf(applying), ...firstOf(idle ?? [])].sort((one, other) => one - other).slice(0, limit)
}
