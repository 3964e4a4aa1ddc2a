import type { Repeats, SegmentEntry } from "./Revision.ts"
import { SealedIds, type SealedMember } from "./SealedIds.ts"

/** One member of the purchaseId set: the ledger sequence of the revision that applied it, and its fingerprint. */
export type SeenPurchase = SealedMember & Repeats

const noRepeats: Repeats = { repeats: 0, conflicts: 0 }

/** Adds to what is counted for an id, in place. */
export const addRepeats = (counted: Map<string, Repeats>, purchaseId: string, more: Repeats): void => {
  const { repeats, conflicts } = counted.get(purchaseId) ?? noRepeats
  counted.set(purchaseId, { repeats: repeats + more.repeats, conflicts: conflicts + more.conflicts })
}

/**
 * The ids of all purchases that an account has applied, with what tells a repeat from a conflict. Those that no segment
 * covers are few, and all that most accounts have; a worker keeps millions of sealed ones, which therefore take no
 * objects.
 */
export class PurchaseIdSet {
  private unsealed = new Map<string, SealedMember>()
  private sealed: SealedIds | undefined
  /** Of those ids alone that came again. */
  private repeated: Map<string, Repeats> | undefined

  get size(): number {
    return this.unsealed.size + (this.sealed?.size ?? 0)
  }

  get unsealedSize(): number {
    return this.unsealed.size
  }

  /** What a segment holds that is sealed now. */
  unsealedEntries(): Array<SegmentEntry> {
    return Array.from(this.unsealed, ([purchaseId, member]) => ({ purchaseId, ...member }))
  }

  *ids(): Iterable<string> {
    if (this.sealed !== undefined) yield* this.sealed.ids()
    yield* this.unsealed.keys()
  }

  fingerprintOf(purchaseId: string): number | undefined {
    return this.memberOf(purchaseId)?.fingerprint
  }

  get(purchaseId: string): SeenPurchase | undefined {
    const member = this.memberOf(purchaseId)
    return member && { ...member, ...(this.repeated?.get(purchaseId) ?? noRepeats) }
  }

  /** Adds a purchase that a revision applied which no segment covers. */
  add(purchaseId: string, revision: number, fingerprint: number): void {
    this.unsealed.set(purchaseId, { revision, fingerprint })
  }

  /** Makes room at once for so many members of segments that are about to be added to an empty set. */
  expectSealed(members: number): void {
    this.sealed = new SealedIds(members)
  }

  /** Adds the members of a segment. */
  addSealed(entries: Iterable<SegmentEntry>): void {
    this.sealed ??= new SealedIds()
    for (const { purchaseId, revision, fingerprint } of entries) this.sealed.add(purchaseId, revision, fingerprint)
  }

  /** A segment covers all members now. */
  seal(): void {
    this.addSealed(this.unsealedEntries())
    this.unsealed = new Map()
  }

  /** Counts repeats of an id, which may be added later. */
  repeat(purchaseId: string, more: Repeats): void {
    this.repeated ??= new Map()
    addRepeats(this.repeated, purchaseId, more)
  }

  private memberOf(purchaseId: string): SealedMember | undefined {
    return this.unsealed.get(purchaseId) ?? this.sealed?.get(purchaseId)
  }
}
