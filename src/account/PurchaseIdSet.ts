import type { AppliedIds } from "./AppliedIds.ts"
import { IdList } from "./IdList.ts"
import { IdTable } from "./IdTable.ts"
import type { Repeats } from "./Revision.ts"
import type { SealedRevision } from "./Segment.ts"

/** A set with more ids is a table. Most accounts never have so many. */
const listedMax = 32

/** An id of the set. */
export interface AppliedId extends Repeats {
  /** The sequence of the commit that applied it. */
  readonly sequence: number
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
  private ids: AppliedIds = new IdList()
  private sealed = 0
  /** Of those ids alone that came again. */
  private repeated: Map<string, Repeats> | undefined

  get size(): number {
    return this.ids.size
  }

  get unsealedSize(): number {
    return this.ids.size - this.sealed
  }

  /** Returns the ids that no segment covers, by the revisions that applied them, oldest first. */
  unsealedRevisions(): Array<SealedRevision> {
    const { ids } = this
    const revisions: Array<{ sequence: number; purchaseIds: Array<string>; fingerprints: Array<number> }> = []
    for (let index = this.sealed; index < ids.size; index += 1) {
      const sequence = ids.sequenceAt(index)
      let last = revisions.at(-1)
      if (last?.sequence !== sequence) {
        last = { sequence, purchaseIds: [], fingerprints: [] }
        revisions.push(last)
      }
      last.purchaseIds.push(ids.idAt(index))
      last.fingerprints.push(ids.fingerprintAt(index))
    }
    return revisions
  }

  fingerprintOf(purchaseId: string): number | undefined {
    const index = this.ids.indexOf(purchaseId)
    return index < 0 ? undefined : this.ids.fingerprintAt(index)
  }

  get(purchaseId: string): AppliedId | undefined {
    const index = this.ids.indexOf(purchaseId)
    if (index < 0) return undefined
    const { ids } = this
    return {
      sequence: ids.sequenceAt(index),
      fingerprint: ids.fingerprintAt(index),
      ...(this.repeated?.get(purchaseId) ?? noRepeats)
    }
  }

  /** Adds a purchase that a revision applied. No segment covers it until all ids are sealed. */
  add(purchaseId: string, revision: number, fingerprint: number): void {
    if (this.ids.size === listedMax) this.makeTable(2 * listedMax)
    this.ids.add(purchaseId, revision, fingerprint)
  }

  /** Makes room at once for so many ids that are about to be added. */
  expect(count: number): void {
    if (count > listedMax) this.makeTable(count)
  }

  /** Adds the ids of a segment. Those of all segments come before what none covers. */
  addSealed(revisions: ReadonlyArray<SealedRevision>): void {
    for (const { sequence, purchaseIds, fingerprints } of revisions) {
      for (const [index, purchaseId] of purchaseIds.entries()) {
        this.add(purchaseId, sequence, fingerprints[index] as number)
      }
    }
    this.seal()
  }

  /** A segment covers all ids now, or will. */
  seal(): void {
    this.sealed = this.ids.size
  }

  /** Counts repeats of an id, which may be added later. */
  repeat(purchaseId: string, more: Repeats): void {
    this.repeated ??= new Map()
    addRepeats(this.repeated, purchaseId, more)
  }

  private makeTable(room: number): void {
    const before = this.ids
    if (before instanceof IdTable) return
    this.ids = new IdTable(room)
    for (let index = 0; index < before.size; index += 1) {
      this.ids.add(before.idAt(index), before.sequenceAt(index), before.fingerprintAt(index))
    }
  }
}
