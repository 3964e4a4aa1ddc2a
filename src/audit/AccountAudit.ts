import { entryFingerprint, entryTotal, reversalIdOf, setIdOf } from "../account/Entry.ts"
import { type Cents, isWholeNumber, purchaseTotalMax, quantityMax, valueMax } from "../account/Money.ts"
import { contentFingerprint } from "../account/Purchase.ts"
import { addCounts } from "../account/PurchaseIdSet.ts"
import { type AppliedPurchase, type Counts, previousRevisionsMax, type Revision } from "../account/Revision.ts"
import { noLinks, type SegmentLinks } from "../account/Segment.ts"
import { messagePurchasesMax } from "../protocol/PurchaseMessage.ts"
import type { AuditedIds } from "./AuditedIds.ts"
import { type AuditedUsers, partitionOfUser } from "./AuditedUsers.ts"
import type { AuditFindings } from "./AuditFindings.ts"
import type { InputRequests } from "./InputRequests.ts"
import { placeOf, placeText } from "./InputPlace.ts"
import { ReversedPieces, reversedBytes } from "./ReversedPieces.ts"
import { RevisionDigest } from "./RevisionDigest.ts"
import {
  checkLinks,
  checkSegments,
  countsBytes,
  type ReadSegment,
  revisionBytes,
  segmentBytes,
  segmentsThrough,
  type UnsealedRevision
} from "./SegmentAudit.ts"

/** About the bytes in memory of an account without revisions. */
const accountBytes = 700
const sequenceBytes = 8

/** Two entries of one user that seem to have the same id. */
export interface SuspectedDouble {
  readonly userToken: string
  readonly userName: string
  readonly setId: string
  /** The sequences of the two commits, which may be one commit. */
  readonly first: number
  readonly second: number
}

/** The tables that the accounts of a pass share. */
export interface AuditTables {
  readonly users: AuditedUsers
  readonly ids: AuditedIds
  readonly requests: InputRequests
  readonly findings: AuditFindings
  readonly doubles: Array<SuspectedDouble>
  /** The last sequence of the input log, read after the last sequence of the journal that is audited. */
  readonly inputThrough: number
  /** Returns whether the requests of a partition were read up to an input sequence. */
  readonly hasRequests: (partition: number, inputSequence: number) => boolean
  /** Returns whether a commit cannot be read. */
  readonly isUnreadable: (sequence: number) => boolean
}

/** Returns the name of an id for people. */
export const setIdText = (setId: string): string => {
  const reversalId = reversalIdOf(setId)
  return reversalId === undefined ? `purchase ${setId}` : `reversal ${reversalId}`
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** Recomputes one account from its revisions, and compares each revision with the revisions before it. */
export class AccountAudit {
  readonly userToken: string
  /** The number of the user, as {@link AuditedUsers} gives it. */
  readonly user: number
  /** About the bytes in memory of this account, without its ids. */
  bytes = accountBytes
  /** The sequence of the newest revision up to the end of the heads of the partition, 0 without one. */
  head = 0
  purchases = 0
  reversals = 0
  private readonly name: string
  private total: Cents = 0n
  private count = 0
  private reversalCount = 0
  private decidedThrough = 0
  private place = 0
  private storedThrough = 0
  /** The sequences of the newest revisions, oldest first. */
  private recent: Array<number> = []
  /** Sequences that a revision named and that are no revisions of this account. They were reported once. */
  private strangers: Array<number> = []
  private unsealed: Array<UnsealedRevision> = []
  /** The number by which the revisions since the last named segment give another count of unsealed revisions. */
  private unsealedDifference = 0
  private segment = 0
  private links: SegmentLinks | undefined = noLinks
  private segments: Array<ReadSegment> = []
  private readonly reversed = new ReversedPieces()
  /** Whether the newest revision cannot be read, so that its total and counts are not known. */
  private isGap = false
  /** Whether any revision cannot be read, so that some ids are not known. */
  private hasGap = false

  constructor(userToken: string, user: number, name: string) {
    this.userToken = userToken
    this.user = user
    this.name = name
    this.bytes += 2 * userToken.length
  }

  /** Whether the account has no revision. */
  get isEmpty(): boolean {
    return this.recent.length === 0
  }

  /** Takes a segment of the account that was read. */
  takeSegment(segment: ReadSegment): void {
    this.segments.push(segment)
    this.bytes += segmentBytes + revisionBytes * segment.revisions.length + countsBytes * segment.counts.size
  }

  /** Takes note of a revision that cannot be read. */
  skip(sequence: number): void {
    this.isGap = true
    this.hasGap = true
    const { storedThrough } = this
    const counts = undefined
    this.unsealed.push({ sequence, count: 0, ids: 0, prints: 0, counts, storedThrough, isUnreadable: true })
    this.bytes += revisionBytes
    this.remember(sequence)
  }

  /** Compares the next revision of the account with the revisions before it, and takes it. */
  take(tables: AuditTables, revision: Revision, sequence: number): void {
    const wrong = (problem: string) => tables.findings.add(`commit ${sequence}, user ${this.name}`, problem)
    if (this.recent.at(-1) === sequence) wrong("the commit has two revisions of the user")
    this.checkPrevious(tables, revision, wrong)
    this.checkNumbers(tables, revision, wrong)
    const digest = new RevisionDigest()
    const counts = new Map<string, Counts>()
    let total = this.total
    let reversals = 0
    for (const entry of revision.purchases) {
      total += this.takeEntry(tables, entry, { revision, sequence, digest, counts, wrong })
      if (entry.reversal !== undefined) reversals += 1
    }
    this.checkRepeats(tables, revision, counts, wrong)
    if (!this.isGap) this.checkSums(revision, total, reversals, wrong)
    this.takeNamedSegment(revision, wrong)
    this.takeUnsealed(revision, sequence, digest, counts, wrong)
    this.purchases += revision.purchases.length - reversals
    this.reversals += reversals
    this.total = revision.total
    this.count = revision.count
    this.reversalCount = revision.reversals
    this.decidedThrough = Math.max(this.decidedThrough, revision.decidedThrough)
    this.isGap = false
    this.remember(sequence)
  }

  private remember(sequence: number): void {
    if (this.recent.length === previousRevisionsMax) this.recent.shift()
    else this.bytes += sequenceBytes
    this.recent.push(sequence)
  }

  /** Checks that the revision names the revisions before it. Takes note of named commits that cannot be read. */
  private checkPrevious(tables: AuditTables, { previous }: Revision, wrong: (problem: string) => void): void {
    const newest = this.recent.at(-1) ?? 0
    for (const sequence of previous.toReversed()) {
      if (sequence <= newest || !tables.isUnreadable(sequence)) continue
      wrong(`the revision names commit ${sequence}, which cannot be read`)
      this.skip(sequence)
    }
    const named = previous.filter((sequence) => !this.strangers.includes(sequence))
    const expected = this.recent.toReversed()
    const isPrefix = named.every((sequence, index) => sequence === expected[index])
    const isWhole = named.length >= expected.length - (previous.length - named.length)
    if (isPrefix && isWhole) return
    wrong(`the revision names the earlier revisions [${previous.join(", ")}], and these are [${expected.join(", ")}]`)
    this.strangers.push(...named.filter((sequence) => !this.recent.includes(sequence)))
    this.strangers = this.strangers.slice(-previousRevisionsMax)
  }

  private checkNumbers({ inputThrough }: AuditTables, revision: Revision, wrong: (problem: string) => void): void {
    const { count, reversals, decidedThrough, purchases, repeats, unsealed, segment } = revision
    if (![count, reversals, decidedThrough, unsealed, segment].every(isCount)) wrong("a count is no whole number")
    if (purchases.length === 0 && repeats.size === 0) wrong("the revision has neither entries nor repeats")
    if (decidedThrough <= this.decidedThrough) {
      wrong(`decidedThrough is ${decidedThrough} after ${this.decidedThrough}, and has to rise`)
    }
    if (decidedThrough > inputThrough) {
      wrong(`decidedThrough is ${decidedThrough}, and the input log ends at ${inputThrough}`)
    }
  }

  private checkSums(revision: Revision, total: Cents, reversals: number, wrong: (problem: string) => void): void {
    const count = this.count + revision.purchases.length
    const reversalCount = this.reversalCount + reversals
    if (revision.total !== total) wrong(`the total is ${revision.total} cents, and the entries make ${total}`)
    if (revision.count !== count) wrong(`the count is ${revision.count}, and there are ${count} entries`)
    if (revision.reversals !== reversalCount) {
      wrong(`the number of reversals is ${revision.reversals}, and there are ${reversalCount}`)
    }
  }

  /** Checks an entry and takes its id. Returns the change of the total in cents. */
  private takeEntry(tables: AuditTables, entry: AppliedPurchase, at: TakenRevision): Cents {
    const { inputSequence, inputIndex, storedAt, reversal } = entry
    const setId = setIdOf(entry)
    const wrong = (problem: string) => at.wrong(`${setIdText(setId)}: ${problem}`)
    const fingerprint = entryFingerprint(entry)
    const words = tables.users.hashOfId(this.userToken, setId)
    const [one, two] = words as unknown as readonly [number, number]
    at.digest.add(words, fingerprint)
    this.checkPlace(entry, at.revision, wrong)
    if (storedAt < this.storedThrough) wrong("its time is before the time of the entry before it")
    this.storedThrough = Math.max(this.storedThrough, storedAt)
    if (reversal !== undefined) this.takeReversal(tables, entry, at, wrong)
    else if (!isPurchase(entry)) wrong("its price or its quantity is out of bounds")
    const { user } = this
    const place = placeOf(inputSequence, inputIndex)
    const slot = tables.ids.find(user, one, two)
    if (slot < 0) {
      const { sequence } = at
      tables.ids.add({ user, one, two, fingerprint, place, sequence, quantity: entry.quantity })
    } else {
      const suspected = { userToken: this.userToken, userName: this.name, setId }
      tables.doubles.push({ ...suspected, first: tables.ids.sequenceAt(slot), second: at.sequence })
    }
    const value = reversal === undefined ? Number(entry.valueCents) : 0
    const quantity = reversal === undefined ? entry.quantity : reversal.asked
    if (!isCount(place)) return entryTotal(entry)
    if (inputSequence > tables.inputThrough) wrong(`${placeText(place)} is beyond the end of the input log`)
    else if (tables.hasRequests(partitionOfUser(user), inputSequence)) {
      const isSame = tables.requests.apply({ user, one, two, place, fingerprint, value, quantity })
      if (!isSame && slot < 0) wrong(`${placeText(place)} is another request`)
    }
    return entryTotal(entry)
  }

  private checkPlace(entry: AppliedPurchase, revision: Revision, wrong: (problem: string) => void): void {
    const { inputSequence, inputIndex } = entry
    if (!isCount(inputSequence) || !isCount(inputIndex) || inputIndex >= messagePurchasesMax) {
      return wrong(`input ${inputSequence}/${inputIndex} is no place of the input log`)
    }
    const place = placeOf(inputSequence, inputIndex)
    if (inputSequence <= this.decidedThrough) wrong(`${placeText(place)} was decided before`)
    else if (place <= this.place) wrong(`${placeText(place)} comes after ${placeText(this.place)}`)
    if (inputSequence > revision.decidedThrough) wrong(`${placeText(place)} is after decidedThrough`)
    this.place = Math.max(this.place, place)
  }

  private takeReversal(
    { users, ids }: AuditTables,
    { purchaseId, productName, productType, valueCents, quantity, reversal }: AppliedPurchase,
    { sequence, counts }: TakenRevision,
    wrong: (problem: string) => void
  ): void {
    if (reversal === undefined) return
    const [one, two] = users.hashOfId(this.userToken, purchaseId)
    const slot = ids.find(this.user, one as number, two as number)
    const previous = this.reversed.previousOf(purchaseId, sequence)
    if (reversal.previous !== previous) {
      wrong(`the reversal of this purchase before it is in commit ${previous}, not ${reversal.previous}`)
    }
    if (slot < 0) {
      if (!this.hasGap) wrong(`its purchase ${purchaseId} is not applied before`)
    } else {
      const bought = ids.quantityAt(slot)
      const left = bought - this.reversed.piecesOf(purchaseId)
      const content = contentFingerprint({ productName, productType, valueCents, quantity: bought })
      if (content !== ids.fingerprintAt(slot)) wrong("its names or its price are not those of its purchase")
      if (!isWholeNumber(quantity, left)) wrong(`it takes back ${quantity} pieces, and ${left} are left`)
      const asked = reversal.asked === 0 ? left : reversal.asked
      if (quantity !== asked) wrong(`it takes back ${quantity} pieces, and asks for ${asked}`)
    }
    const known = this.reversed.size
    this.reversed.add(purchaseId, quantity, sequence)
    this.bytes += reversedBytes * (this.reversed.size - known)
    addCounts(counts, purchaseId, { repeats: 0, conflicts: 0, reversed: quantity, lastReversal: sequence })
  }

  private checkRepeats(
    { users, ids }: AuditTables,
    { repeats }: Revision,
    counts: Map<string, Counts>,
    wrong: (problem: string) => void
  ): void {
    for (const [setId, counted] of repeats) {
      const [one, two] = users.hashOfId(this.userToken, setId)
      if (ids.find(this.user, one as number, two as number) < 0 && !this.hasGap) {
        wrong(`${setIdText(setId)}: a repeat is counted, and the id is not applied before`)
      }
      addCounts(counts, setId, { ...counted, reversed: 0, lastReversal: 0 })
    }
  }

  /** Compares the segments that the revision names, and that no revision before it named, with the sealed revisions. */
  private takeNamedSegment(revision: Revision, wrong: (problem: string) => void): void {
    const { segment, unsealed } = revision
    if (segment === this.segment) return
    const named = this.segments.find(({ sequence }) => sequence === segment)
    const before = this.segment
    this.segment = segment
    this.unsealedDifference = 0
    if (named === undefined) {
      wrong(`the revision names segment ${segment}, which is no segment of the user between ${before} and the commit`)
      this.links = undefined
      return this.keepUnsealed(unsealed - 1)
    }
    const segments = segmentsThrough(this.segments, named, before)
    const partition = partitionOfUser(this.user)
    if (segments.some((one) => one.partition !== partition)) wrong(`segment ${segment} is in another partition`)
    this.links = checkLinks(segments, this.links ?? (segments[0] as ReadSegment).links, wrong)
    const sealed = checkSegments(segments, this.unsealed, wrong)
    this.keepUnsealed(sealed === undefined ? unsealed - 1 : this.unsealed.length - sealed)
    for (const one of this.segments) {
      if (one.sequence > segment) continue
      this.bytes -= segmentBytes + revisionBytes * one.revisions.length + countsBytes * one.counts.size
    }
    this.bytes += sequenceBytes * segments.length
    this.segments = this.segments.filter(({ sequence }) => sequence > segment)
  }

  /** Forgets the unsealed revisions except the newest ones. */
  private keepUnsealed(count: number): void {
    const sealed = this.unsealed.splice(0, Math.max(0, this.unsealed.length - count))
    for (const { counts } of sealed) this.bytes -= revisionBytes + countsBytes * (counts?.size ?? 0)
  }

  private takeUnsealed(
    revision: Revision,
    sequence: number,
    { count, ids, prints }: RevisionDigest,
    counts: ReadonlyMap<string, Counts>,
    wrong: (problem: string) => void
  ): void {
    const { storedThrough } = this
    const kept = counts.size === 0 ? undefined : counts
    this.unsealed.push({ sequence, count, ids, prints, counts: kept, storedThrough, isUnreadable: false })
    this.bytes += revisionBytes + countsBytes * counts.size
    const expected = this.unsealed.length + this.unsealedDifference
    if (revision.unsealed === expected) return
    wrong(`the number of unsealed revisions is ${revision.unsealed}, and there are ${expected}`)
    this.unsealedDifference += revision.unsealed - expected
  }
}

/** A revision that is being taken, with the sums that its entries change. */
interface TakenRevision {
  readonly revision: Revision
  readonly sequence: number
  readonly digest: RevisionDigest
  readonly counts: Map<string, Counts>
  readonly wrong: (problem: string) => void
}

const isPurchase = ({ valueCents, quantity }: AppliedPurchase): boolean =>
  valueCents >= 1n &&
  valueCents <= valueMax &&
  isWholeNumber(quantity, quantityMax) &&
  valueCents * BigInt(quantity) <= purchaseTotalMax
