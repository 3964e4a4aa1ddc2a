import type { AppliedIds } from "./AppliedIds.ts"
import { IdList } from "./IdList.ts"
import { IdTable } from "./IdTable.ts"
import type { Counts, Repeats } from "./Revision.ts"
import type { SealedRevision } from "./Segment.ts"

/** A set with more ids than `listedMax` uses a table. Most accounts have at most `listedMax` ids. */
const listedMax = 32

/** An id of the set. */
export interface AppliedId extends Counts {
  /** The sequence of the commit that applied the id's entry. */
  readonly sequence: number
  /** The fingerprint of the entry's content. */
  readonly fingerprint: number
}

const noRepeats: Repeats = { repeats: 0, conflicts: 0 }

/** Adds `more` to the repeats and conflicts that `counted` has for an id. */
export const addRepeats = (counted: Map<string, Repeats>, purchaseId: string, more: Repeats): void => {
  const { repeats, conflicts } = counted.get(purchaseId) ?? noRepeats
  counted.set(purchaseId, { repeats: repeats + more.repeats, conflicts: conflicts + more.conflicts })
}

const noCounts: Counts = { repeats: 0, conflicts: 0, reversed: 0, lastReversal: 0 }

/** Adds `more` to the counts that `counted` has for an id. The counts do not depend on the order of the calls. */
export const addCounts = (counted: Map<string, Counts>, setId: string, more: Counts): void => {
  const { repeats, conflicts, reversed, lastReversal } = counted.get(setId) ?? noCounts
  counted.set(setId, {
    repeats: repeats + more.repeats,
    conflicts: conflicts + more.conflicts,
    reversed: reversed + more.reversed,
    lastReversal: Math.max(lastReversal, more.lastReversal)
  })
}

/**
 * The ids of all entries of an account, with their fingerprints and counts. A purchase stands under its id, and a
 * reversal under an id of its own that no purchase can have. In the set, the ids of segments come first, and after them
 * the unsealed ids. A worker keeps millions of ids, so large sets do not make an object for each id.
 */
export class PurchaseIdSet {
  private ids: AppliedIds = new IdList()
  private sealed = 0
  /** The counts of the ids that came again or are reversed; `undefined` without such an id. */
  private counted: Map<string, Counts> | undefined

  /** The number of ids in the set. */
  get size(): number {
    return this.ids.size
  }

  /** The number of ids that no segment covers. */
  get unsealedSize(): number {
    return this.ids.size - this.sealed
  }

  /** Returns the ids that no segment covers, grouped by the revision that applied them, oldest first. */
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

  /** Returns the fingerprint of an id; `undefined` if the id is not in the set. */
  fingerprintOf(purchaseId: string): number | undefined {
    const index = this.ids.indexOf(purchaseId)
    return index < 0 ? undefined : this.ids.fingerprintAt(index)
  }

  /** Returns an id with its sequence, fingerprint and counts; `undefined` if it is not in the set. */
  get(purchaseId: string): AppliedId | undefined {
    const index = this.ids.indexOf(purchaseId)
    if (index < 0) return undefined
    const { ids } = this
    return {
      sequence: ids.sequenceAt(index),
      fingerprint: ids.fingerprintAt(index),
      ...(this.counted?.get(purchaseId) ?? noCounts)
    }
  }

  /**
   * Adds an id that the commit with the sequence `revision` applied. The id counts as unsealed until the next call of
   * {@link seal}.
   */
  add(purchaseId: string, revision: number, fingerprint: number): void {
    if (this.ids.size === listedMax) this.makeTable(2 * listedMax)
    this.ids.add(purchaseId, revision, fingerprint)
  }

  /** Makes room for `count` further ids in one step, before they are added. */
  expect(count: number): void {
    if (count > listedMax) this.makeTable(count)
  }

  /** Adds the ids of a segment. All segments have to be added before the unsealed ids. */
  addSealed(revisions: ReadonlyArray<SealedRevision>): void {
    for (const { sequence, purchaseIds, fingerprints } of revisions) {
      for (const [index, purchaseId] of purchaseIds.entries()) {
        this.add(purchaseId, sequence, fingerprints[index] as number)
      }
    }
    this.seal()
  }

  /** Takes note that all ids of the set are in segments, or will be when the segments in flight are stored. */
  seal(): void {
    this.sealed = this.ids.size
  }

  /** Adds `more` to the counts of an id. The id may be added to the set after its counts. */
  count(setId: string, more: Counts): void {
    this.counted ??= new Map()
    addCounts(this.counted, setId, more)
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
