import type { Cents } from "./Money.ts"
import { contentFingerprint, type Purchase, purchaseTotal } from "./Purchase.ts"
import {
  type AppliedPurchase,
  previousRevisionsMax,
  type Repeats,
  type Revision,
  type Segment,
  type SegmentEntry
} from "./Revision.ts"

/** A segment of the purchaseId set is sealed when so many ids and counts of repeats, or revisions, are in none. */
export const unsealedMax = 256

/** A purchase of one user as the input log delivered it. */
export interface Delivered {
  readonly purchase: Purchase
  readonly inputSequence: number
  readonly inputIndex: number
  /** In milliseconds since 1970. */
  readonly storedAt: number
}

/** One member of the purchaseId set. */
export interface SeenPurchase extends Repeats {
  /** The ledger sequence of the revision that applied it. */
  readonly revision: number
  readonly fingerprint: number
}

/**
 * An account as its actor holds it. `seen` is the whole purchaseId set; only {@link evolve} and {@link restore}
 * change it, in place, because it can have a million members.
 */
export interface Account {
  total: Cents
  count: number
  decidedThrough: number
  /** The ledger sequence of the newest revision, 0 before the first. */
  revision: number
  /** What that revision did. */
  newest: Revision | undefined
  /** The sequences of the newest revisions, newest first. */
  previous: ReadonlyArray<number>
  segments: number
  unsealedRevisions: number
  unsealedEntries: Array<SegmentEntry>
  unsealedRepeats: Map<string, Repeats>
  readonly seen: Map<string, SeenPurchase>
  /** The ledger sequences of the revisions that applied something, oldest first. It only ever grows at its end. */
  readonly applying: Array<number>
}

/** What becomes of the purchases that were delivered, decided against one revision of the account. */
export interface Decision {
  readonly applied: ReadonlyArray<AppliedPurchase>
  readonly repeats: ReadonlyMap<string, Repeats>
  /** Deliveries under an id that was applied with another content. */
  readonly conflicts: ReadonlyArray<Delivered>
  readonly total: Cents
  readonly decidedThrough: number
}

export const emptyAccount = (): Account => ({
  total: 0n,
  count: 0,
  decidedThrough: 0,
  revision: 0,
  newest: undefined,
  previous: [],
  segments: 0,
  unsealedRevisions: 0,
  unsealedEntries: [],
  unsealedRepeats: new Map(),
  seen: new Map(),
  applying: []
})

const noRepeats: Repeats = { repeats: 0, conflicts: 0 }

const added = (one: Repeats, other: Repeats): Repeats => ({
  repeats: one.repeats + other.repeats,
  conflicts: one.conflicts + other.conflicts
})

/**
 * Decides what deliveries do to an account, and changes nothing. Each purchase id is applied once: the same content
 * again is a repeat, another content a conflict. An input that the account has decided before (the log is read again
 * after a crash) is neither, for it was counted then.
 */
export const decide = (account: Account, deliveries: ReadonlyArray<Delivered>): Decision => {
  const applied: Array<AppliedPurchase> = []
  const appliedFingerprints = new Map<string, number>()
  const repeats = new Map<string, Repeats>()
  const conflicts: Array<Delivered> = []
  let total = account.total
  let decidedThrough = account.decidedThrough
  for (const delivered of deliveries) {
    const { purchase, inputSequence, inputIndex, storedAt } = delivered
    const { purchaseId } = purchase
    const fingerprint = contentFingerprint(purchase)
    const known = account.seen.get(purchaseId)?.fingerprint ?? appliedFingerprints.get(purchaseId)
    if (known === undefined) {
      appliedFingerprints.set(purchaseId, fingerprint)
      total += purchaseTotal(purchase)
      const { productName, productType, valueCents, quantity } = purchase
      applied.push({ purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt })
    } else if (inputSequence > account.decidedThrough) {
      const conflicting = known !== fingerprint
      const before = repeats.get(purchaseId) ?? noRepeats
      repeats.set(purchaseId, added(before, { repeats: conflicting ? 0 : 1, conflicts: conflicting ? 1 : 0 }))
      if (conflicting) conflicts.push(delivered)
    }
    if (inputSequence > decidedThrough) decidedThrough = inputSequence
  }
  return { applied, repeats, conflicts, total, decidedThrough }
}

/** Whether a decision leaves nothing to write: all that came had been decided before. */
export const isEmpty = (decision: Decision): boolean => decision.applied.length === 0 && decision.repeats.size === 0

/** The segment that has to be sealed together with the next revision, if one is due. */
export const dueSegment = (account: Account): Segment | undefined =>
  account.unsealedEntries.length + account.unsealedRepeats.size >= unsealedMax ||
  account.unsealedRevisions >= unsealedMax
    ? { entries: account.unsealedEntries, repeats: account.unsealedRepeats }
    : undefined

/** The revision that records a decision, on top of the account that it was decided against. */
export const revisionOf = (account: Account, decision: Decision, sealed: boolean): Revision => ({
  total: decision.total,
  count: account.count + decision.applied.length,
  decidedThrough: decision.decidedThrough,
  purchases: decision.applied,
  repeats: decision.repeats,
  previous: account.previous,
  segments: account.segments + (sealed ? 1 : 0),
  unsealed: sealed ? 1 : account.unsealedRevisions + 1
})

/** Takes a committed revision into the account. `sequence` is the ledger sequence that the commit gave it. */
export const evolve = (account: Account, revision: Revision, sequence: number): void => {
  if (revision.segments > account.segments) {
    account.unsealedEntries = []
    account.unsealedRepeats = new Map()
  }
  account.total = revision.total
  account.count = revision.count
  account.decidedThrough = revision.decidedThrough
  account.revision = sequence
  account.newest = revision
  account.previous = [sequence, ...revision.previous.slice(0, previousRevisionsMax - 1)]
  account.segments = revision.segments
  account.unsealedRevisions = revision.unsealed
  takeMembers(account, revision, sequence)
}

/** Adds what one unsealed revision brought to the purchaseId set. */
const takeMembers = (account: Account, revision: Revision, sequence: number): void => {
  if (revision.purchases.length > 0) account.applying.push(sequence)
  for (const purchase of revision.purchases) {
    const { purchaseId } = purchase
    const fingerprint = contentFingerprint(purchase)
    account.unsealedEntries.push({ purchaseId, revision: sequence, fingerprint })
    account.seen.set(purchaseId, { revision: sequence, fingerprint, repeats: 0, conflicts: 0 })
  }
  for (const [purchaseId, counts] of revision.repeats) {
    account.unsealedRepeats.set(purchaseId, added(account.unsealedRepeats.get(purchaseId) ?? noRepeats, counts))
  }
  takeRepeats(account, revision.repeats)
}

const takeRepeats = (account: Account, repeats: ReadonlyMap<string, Repeats>): void => {
  for (const [purchaseId, counts] of repeats) {
    const entry = account.seen.get(purchaseId)
    if (entry === undefined) continue
    const { revision, fingerprint } = entry
    account.seen.set(purchaseId, { revision, fingerprint, ...added(entry, counts) })
  }
}

/** A revision with the ledger sequence under which it is stored. */
export interface StoredRevision {
  readonly sequence: number
  readonly revision: Revision
}

/**
 * The account as of its newest revision. `unsealed` are the revisions that no segment covers, oldest first, the newest
 * one last; `segments` are all sealed ones in their order.
 */
export const restore = (segments: ReadonlyArray<Segment>, unsealed: ReadonlyArray<StoredRevision>): Account => {
  const account = emptyAccount()
  for (const segment of segments) {
    for (const { purchaseId, revision, fingerprint } of segment.entries) {
      account.seen.set(purchaseId, { revision, fingerprint, repeats: 0, conflicts: 0 })
      if (account.applying.at(-1) !== revision) account.applying.push(revision)
    }
    takeRepeats(account, segment.repeats)
  }
  account.segments = segments.length
  for (const { revision, sequence } of unsealed) evolve(account, revision, sequence)
  return account
}
