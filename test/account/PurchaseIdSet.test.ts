import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PurchaseIdSet, type AppliedId } from "../../src/account/PurchaseIdSet.ts"
import type { SealedRevision } from "../../src/account/Segment.ts"

/** Groups ids by their revisions, as the set does. */
const byRevision = (ids: ReadonlyArray<readonly [string, AppliedId]>): Array<SealedRevision> => {
  const revisions: Array<SealedRevision> = []
  for (const [purchaseId, { sequence, fingerprint }] of ids) {
    const last = revisions.at(-1)
    const isSame = last?.sequence === sequence
    const { purchaseIds, fingerprints } = isSame ? last : { purchaseIds: [], fingerprints: [] }
    revisions.splice(isSame ? -1 : revisions.length, 1, {
      sequence,
      purchaseIds: [...purchaseIds, purchaseId],
      fingerprints: [...fingerprints, fingerprint]
    })
  }
  return revisions
}

// The test has more ids than the set keeps in a list.
const known = [
  "a",
  "b",
  "__proto__",
  "",
  "\u{1f6d2}",
  "0",
  "constructor",
  ...Array.from({ length: 40 }, (_, n) => `id-${n}`)
]
const noCounts = { repeats: 0, conflicts: 0, reversed: 0, lastReversal: 0 }
const ids = fc.constantFrom(...known)
const add = fc.record({
  kind: fc.constant("add" as const),
  id: ids,
  // Revisions often bring several ids.
  sequence: fc.oneof(fc.nat({ max: 2 }), fc.maxSafeNat()),
  fingerprint: fc.maxSafeNat()
})
const seal = fc.record({ kind: fc.constant("seal" as const) })
const repeat = fc.record({ kind: fc.constant("repeat" as const), id: ids, repeats: fc.nat(), conflicts: fc.nat() })
const steps = fc.array(
  fc.oneof({ arbitrary: add, weight: 8 }, { arbitrary: seal, weight: 1 }, { arbitrary: repeat, weight: 2 }),
  { maxLength: 120, size: "max" }
)

describe("PurchaseIdSet", () => {
  it("a purchaseId set answers for each id as a plain map of the same ids does", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const set = new PurchaseIdSet()
        const model = new Map<string, AppliedId>()
        let sealed = 0
        for (const step of all) {
          const before = step.kind === "seal" ? undefined : model.get(step.id)
          if (step.kind === "seal") {
            set.seal()
            sealed = model.size
          } else if (step.kind === "add") {
            const { id, sequence, fingerprint } = step
            set.add(id, sequence, fingerprint)
            model.set(id, before ?? { sequence, fingerprint, ...noCounts })
          } else if (before !== undefined) {
            const { id, repeats, conflicts } = step
            set.count(id, { ...noCounts, repeats, conflicts })
            model.set(id, { ...before, repeats: before.repeats + repeats, conflicts: before.conflicts + conflicts })
          }
          expect(set.size).toBe(model.size)
          expect(set.unsealedSize).toBe(model.size - sealed)
          expect(set.unsealedRevisions()).toEqual(byRevision([...model].slice(sealed)))
          for (const id of known) {
            expect(set.get(id)).toEqual(model.get(id))
            expect(set.fingerprintOf(id)).toBe(model.get(id)?.fingerprint)
          }
        }
      })
    )
  })

  it("a purchaseId set holds sealed and unsealed ids, even if it was made for more or fewer ids", () => {
    for (const expected of [0, 5, 16, 17, 40, 1_000]) {
      const set = new PurchaseIdSet()
      set.expect(expected)
      const revisionOf = (sequence: number, ids: number): SealedRevision => ({
        sequence,
        purchaseIds: Array.from({ length: ids }, (_, index) => `${sequence}-${index}`),
        fingerprints: Array.from({ length: ids }, (_, index) => 1_000 * sequence + index)
      })
      // Segments may be read in any order, and a revision may have applied nothing.
      const segments = [
        [revisionOf(9, 12), revisionOf(12, 18)],
        [revisionOf(1, 2), revisionOf(3, 0), revisionOf(4, 1)]
      ]
      for (const segment of segments) set.addSealed(segment)
      expect({ size: set.size, unsealed: set.unsealedSize, unsealedRevisions: set.unsealedRevisions() }).toEqual({
        size: 33,
        unsealed: 0,
        unsealedRevisions: []
      })
      set.add("last", 99, 100)
      expect({ size: set.size, unsealed: set.unsealedSize }).toEqual({ size: 34, unsealed: 1 })
      expect(set.unsealedRevisions()).toEqual([{ sequence: 99, purchaseIds: ["last"], fingerprints: [100] }])
      for (const { sequence, purchaseIds, fingerprints } of segments.flat()) {
        for (const [index, purchaseId] of purchaseIds.entries()) {
          const member = { sequence: sequence, fingerprint: fingerprints[index], ...noCounts }
          expect(set.get(purchaseId)).toEqual(member)
        }
      }
    }
  })

  it("a purchaseId set counts repeats that come before their purchase, since segments come in any order", () => {
    const set = new PurchaseIdSet()
    set.count("a", { repeats: 2, conflicts: 0, reversed: 3, lastReversal: 90 })
    expect({ size: set.size, a: set.get("a") }).toEqual({ size: 0, a: undefined })
    set.add("a", 7, 8)
    set.count("a", { repeats: 0, conflicts: 1, reversed: 1, lastReversal: 70 })
    const counts = { repeats: 2, conflicts: 1, reversed: 4, lastReversal: 90 }
    expect(set.get("a")).toEqual({ sequence: 7, fingerprint: 8, ...counts })
  })
})
