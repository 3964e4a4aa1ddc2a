import type { Cents } from "./Money.ts"
import { contentFingerprint, type Purchase, purchaseTotal } from "./Purchase.ts"
import { addRepeats, PurchaseIdSet } from "./PurchaseIdSet.ts"
import { type AppliedPurchase, previousRevisionsMax, type Repeats, type Revision, type Segment } from "./Revision.ts"

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

/**
 * An account as its actor holds it. `seen` is the whole purchaseId set; only {@link evolve} and
 * {@link takeSegment} change it, in place, because it can have a million members.
 */
export interface Account {
  total: Cents
  count: number
  decidedThrough: number
  /** The ledger sequence of the newest revision, 0 before the first. */
  revision: number
  /** What that revision did. */
  newest: Revision | undefined
  segments: number
  unsealedRevisions: number
  /** Nothing while there are none, as in most accounts. */
  unsealedRepeats: Map<string, Repeats> | undefined
  readonly seen: PurchaseIdSet
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

/** One for all: most decisions, and most accounts, have no repeats. */
const noRepeats: ReadonlyMap<string, Repeats> = new Map()

export const emptyAccount = (): Account => ({
  total: 0n,
  count: 0,
  decidedThrough: 0,
  revision: 0,
  newest: undefined,
  segments: 0,
  unsealedRevisions: 0,
  unsealedRepeats: undefined,
  seen: new PurchaseIdSet(),
  applying: []
})

/**
 * Decides what deliveries do to an account, and changes nothing. Each purchase id is applied once: the same content
 * again is a repeat, another content a conflict. An input that the account has decided before (the log is read again
 * after a crash) is neither, for it was counted then.
 */
export const decide = (account: Account, deliveries: ReadonlyArray<Delivered>): Decision => {
  const applied: Array<AppliedPurchase> = []
  let appliedFingerprints: Map<string, number> | undefined
  let repeats: Map<string, Repeats> | undefined
  const conflicts: Array<Delivered> = []
  let total = account.total
  let decidedThrough = account.decidedThrough
  for (const delivered of deliveries) {
    const { purchase, inputSequence, inputIndex, storedAt } = delivered
    const { purchaseId } = purchase
    const fingerprint = contentFingerprint(purchase)
    const known = account.seen.fingerprintOf(purchaseId) ?? appliedFingerprints?.get(purchaseId)
    if (known === undefined) {
      if (deliveries.length > 1) appliedFingerprints = (appliedFingerprints ?? new Map()).set(purchaseId, fingerprint)
      total += purchaseTotal(purchase)
      const { productName, productType, valueCents, quantity } = purchase
      applied.push({ purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt })
    } else if (inputSequence > account.decidedThrough) {
      const conflicting = known !== fingerprint
      repeats ??= new Map()
      addRepeats(repeats, purchaseId, { repeats: conflicting ? 0 : 1, conflicts: conflicting ? 1 : 0 })
      if (conflicting) conflicts.push(delivered)
    }
    if (inputSequence > decidedThrough) decidedThrough = inputSequence
  }
  return { applied, repeats: repeats ?? noRepeats, conflicts, total, decidedThrough }
}

/** Whether a decision leaves nothing to write: all that came had been decided before. */
export const isEmpty = (decision: Decision): boolean => decision.applied.length === 0 && decision.repeats.size === 0

/** The segment that has to be sealed together with the next revision, if one is due. */
export const dueSegment = ({ seen, unsealedRevisions, unsealedRepeats }: Account): Segment | undefined => {
  const repeats = unsealedRepeats ?? noRepeats
  return seen.unsealedSize + repeats.size >= unsealedMax || unsealedRevisions >= unsealedMax
    ? { entries: seen.unsealedEntries(), repeats }
    : undefined
}

/** The sequences of the newest revisions, newest first, as the next one names them. */
const previousOf = ({ newest, revision }: Account): ReadonlyArray<number> =>
  newest === undefined ? [] : [revision].concat(newest.previous.slice(0, previousRevisionsMax - 1))

/** The revision that records a decision, on top of the account that it was decided against. */
export const revisionOf = (account: Account, decision: Decision, sealed: boolean): Revision => ({
  total: decision.total,
  count: account.count + decision.applied.length,
  decidedThrough: decision.decidedThrough,
  // Of its length: one that was pushed to has room for 17, most revisions have one, and each account keeps its newest.
  purchases: decision.applied.slice(),
  repeats: decision.repeats,
  previous: previousOf(account),
  segments: account.segments + (sealed ? 1 : 0),
  unsealed: sealed ? 1 : account.unsealedRevisions + 1
})

/** Takes a committed revision into the account. `sequence` is the ledger sequence that the commit gave it. */
export const evolve = (account: Account, revision: Revision, sequence: number): void => {
  if (revision.segments > account.segments) {
    account.seen.seal()
    account.unsealedRepeats = undefined
  }
  account.total = revision.total
  account.count = revision.count
  account.decidedThrough = revision.decidedThrough
  account.revision = sequence
  account.newest = revision
  account.segments = revision.segments
  account.unsealedRevisions = revision.unsealed
  takeMembers(account, revision, sequence)
}

/** Adds what one unsealed revision brought to the purchaseId set. */
const takeMembers = (account: Account, revision: Revision, sequence: number): void => {
  if (revision.purchases.length > 0) account.applying.push(sequence)
  for (const purchase of revision.purchases) {
    account.seen.add(purchase.purchaseId, sequence, contentFingerprint(purchase))
  }
  for (const [purchaseId, counts] of revision.repeats) {
    account.unsealedRepeats ??= new Map()
    addRepeats(account.unsealedRepeats, purchaseId, counts)
    account.seen.repeat(purchaseId, counts)
  }
}

/**
 * Takes a sealed segment into an account that is read from the ledger: all of its segments, in any order, and then the
 * revisions that none covers, by {@link evolve}, the oldest first. Answers the sequences of the revisions whose purchases
 * it holds, oldest first; {@link Account.applying} wants them in the order of the segments.
 */
export const takeSegment = (account: Account, segment: Segment): ReadonlyArray<number> => {
  const applying: Array<number> = []
  for (const { revision } of segment.entries) if (applying.at(-1) !== revision) applying.push(revision)
  account.seen.addSealed(segment.entries)
  for (const [purchaseId, counts] of segment.repeats) account.seen.repeat(purchaseId, counts)
  account.segments += 1
  return applying
}

/** A revision with the ledger sequence under which it is stored. */
export interface StoredRevision {
  readonly sequence: number
  readonly revision: Revision
}
