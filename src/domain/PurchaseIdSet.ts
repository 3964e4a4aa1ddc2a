import type { AppliedIds } from "./AppliedIds.ts"
import { IdList } from "./IdList.ts"
import { IdTable } from "./IdTable.ts"
import type { Repeats, SegmentEntry } from "./Revision.ts"

/** With more members than this, which most accounts never have, a set is a table. */
const listedMax = 16

/** One member of the purchaseId set: the ledger sequence of the revision that applied it, and its fingerprint. */
export type SeenPurchase = Omit<SegmentEntry, "purchaseId"> & Repeats

const noRepeats: Repeats = { repeats: 0, conflicts: 0 }

/** Adds to what is counted for an id, in place. */
export const addRepeats = (counted: Map<string, Repeats>, purchaseId: string, more: Repeats): void => {
  const { repeats, conflicts } = counted.get(purchaseId) ?? noRepeats
  counted.set(purchaseId, { repeats: repeats + more.repeats, conflicts: conflicts + more.conflicts })
}

/**
 * The ids of all purchases that an account has applied, with what tells a repeat from a conflict: first those that its
 * sealed segments hold, then those that no segment covers. A worker keeps millions of them, so beyond a few they take no
 * objects.
 */
export class PurchaseIdSet {
  private members: AppliedIds = new IdList()
  private sealed = 0
  /** Of those ids alone that came again. */
  private repeated: Map<string, Repeats> | undefined

  get size(): number {
    return this.members.size
  }

  get unsealedSize(): number {
    return this.members.size - this.sealed
  }

  /** What a segment holds that is sealed now. */
  unsealedEntries(): Array<SegmentEntry> {
    const { members, sealed } = this
    return Array.from({ length: this.unsealedSize }, (_, offset) => {
      const index = sealed + offset
      return {
        purchaseId: members.idAt(index),
        revision: members.revisionAt(index),
        fingerprint: members.fingerprintAt(index)
      }
    })
  }

  *ids(): Iterable<string> {
    for (let index = 0; index < this.members.size; index += 1) yield this.members.idAt(index)
  }

  fingerprintOf(purchaseId: string): number | undefined {
    const index = this.members.indexOf(purchaseId)
    return index < 0 ? undefined : this.members.fingerprintAt(index)
  }

  get(purchaseId: string): SeenPurchase | undefined {
    const index = this.members.indexOf(purchaseId)
    if (index < 0) return undefined
    const { members } = this
    return {
      revision: members.revisionAt(index),
      fingerprint: members.fingerprintAt(index),
      ...(this.repeated?.get(purchaseId) ?? noRepeats)
    }
  }

  /** Adds a purchase that a revision applied. No segment covers it until all members are sealed. */
  add(purchaseId: string, revision: number, fingerprint: number): void {
    if (this.members.size === listedMax) this.makeTable(2 * listedMax)
    this.members.add(purchaseId, revision, fingerprint)
  }

  /** Makes room at once for so many members that are about to be added. */
  expect(members: number): void {
    if (members > listedMax) this.makeTable(members)
  }

  /** Adds the members of a segment; all segments come before what none covers. */
  addSealed(entries: Iterable<SegmentEntry>): void {
    for (const { purchaseId, revision, fingerprint } of entries) this.add(purchaseId, revision, fingerprint)
    this.seal()
  }

  /** A segment covers all members now. */
  seal(): void {
    this.sealed = this.members.size
  }

  /** Counts repeats of an id, which may be added later. */
  repeat(purchaseId: string, more: Repeats): void {
    this.repeated ??= new Map()
    addRepeats(this.repeated, purchaseId, more)
  }

  private makeTable(room: number): void {
    const before = this.members
    if (before instanceof IdTable) return
    this.members = new IdTable(room)
    for (let index = 0; index < before.size; index += 1) {
      this.members.add(before.idAt(index), before.revisionAt(index), before.fingerprintAt(index))
    }
  }
}
