import type { AppliedIds } from "./AppliedIds.ts"
import { IdList } from "./IdList.ts"
import { IdTable } from "./IdTable.ts"
import type { Repeats } from "./Revision.ts"
import type { SealedRevision } from "./Segment.ts"

/** With more members than this, which most accounts never have, a set is a table. */
const listedMax = 32

/** One member of the purchaseId set. */
export interface SeenPurchase extends Repeats {
  /** The sequence of the commit that applied it. */
  readonly revision: number
  readonly fingerprint: number
}

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

  /** Returns the members that no segment covers, by the revisions that applied them, oldest first. */
  unsealedRevisions(): Array<SealedRevision> {
    const { members } = this
    const revisions: Array<{ sequence: number; purchaseIds: Array<string>; fingerprints: Array<number> }> = []
    for (let index = this.sealed; index < members.size; index += 1) {
      const sequence = members.revisionAt(index)
      let last = revisions.at(-1)
      if (last?.sequence !== sequence) {
        last = { sequence, purchaseIds: [], fingerprints: [] }
        revisions.push(last)
      }
      last.purchaseIds.push(members.idAt(index))
      last.fingerprints.push(members.fingerprintAt(index))
    }
    return revisions
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

  /** Adds the members of a segment. Those of all segments come before what none covers. */
  addSealed(revisions: ReadonlyArray<SealedRevision>): void {
    for (const { sequence, purchaseIds, fingerprints } of revisions) {
      for (const [index, purchaseId] of purchaseIds.entries()) {
        this.add(purchaseId, sequence, fingerprints[index] as number)
      }
    }
    this.seal()
  }

  /** A segment covers all members now, or will. */
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
