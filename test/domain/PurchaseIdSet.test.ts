import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PurchaseIdSet, type SeenPurchase } from "../../src/domain/PurchaseIdSet.ts"

// More than a list has.
const known = [
  "a",
  "b",
  "__proto__",
  "",
  "\u{1f6d2}",
  "0",
  "constructor",
  ...Array.from({ length: 20 }, (_, n) => `id-${n}`)
]
const ids = fc.constantFrom(...known)
const add = fc.record({
  kind: fc.constant("add" as const),
  id: ids,
  revision: fc.maxSafeNat(),
  fingerprint: fc.maxSafeNat()
})
const seal = fc.record({ kind: fc.constant("seal" as const) })
const repeat = fc.record({ kind: fc.constant("repeat" as const), id: ids, repeats: fc.nat(), conflicts: fc.nat() })
const steps = fc.array(
  fc.oneof({ arbitrary: add, weight: 8 }, { arbitrary: seal, weight: 1 }, { arbitrary: repeat, weight: 2 }),
  { maxLength: 90, size: "max" }
)

describe("PurchaseIdSet", () => {
  it("says of each id what a map of objects would", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const set = new PurchaseIdSet()
        const model = new Map<string, SeenPurchase>()
        let sealed = 0
        for (const step of all) {
          const before = step.kind === "seal" ? undefined : model.get(step.id)
          if (step.kind === "seal") {
            set.seal()
            sealed = model.size
          } else if (step.kind === "add") {
            const { id, revision, fingerprint } = step
            set.add(id, revision, fingerprint)
            model.set(id, before ?? { revision, fingerprint, repeats: 0, conflicts: 0 })
          } else if (before !== undefined) {
            const { id, repeats, conflicts } = step
            set.repeat(id, { repeats, conflicts })
            model.set(id, { ...before, repeats: before.repeats + repeats, conflicts: before.conflicts + conflicts })
          }
          expect(set.size).toBe(model.size)
          expect([...set.ids()]).toEqual([...model.keys()])
          expect(set.unsealedSize).toBe(model.size - sealed)
          expect(set.unsealedEntries()).toEqual(
            [...model]
              .slice(sealed)
              .map(([purchaseId, { revision, fingerprint }]) => ({ purchaseId, revision, fingerprint }))
          )
          for (const id of known) {
            expect(set.get(id)).toEqual(model.get(id))
            expect(set.fingerprintOf(id)).toBe(model.get(id)?.fingerprint)
          }
        }
      })
    )
  })

  it("holds what segments hold, and then more, whether its room was known or not", () => {
    for (const expected of [0, 5, 16, 17, 40, 1_000]) {
      const set = new PurchaseIdSet()
      set.expect(expected)
      const entry = (number: number) => ({ purchaseId: `id-${number}`, revision: number, fingerprint: 2 * number })
      set.addSealed([0, 1, 2].map(entry))
      set.addSealed(Array.from({ length: 30 }, (_, index) => entry(3 + index)))
      set.add("last", 99, 100)
      expect([set.size, set.unsealedSize]).toEqual([34, 1])
      expect(set.unsealedEntries()).toEqual([{ purchaseId: "last", revision: 99, fingerprint: 100 }])
      for (let number = 0; number < 33; number += 1) {
        const { purchaseId, ...member } = entry(number)
        expect(set.get(purchaseId)).toEqual({ ...member, repeats: 0, conflicts: 0 })
      }
      expect([...set.ids()]).toEqual([...Array.from({ length: 33 }, (_, number) => `id-${number}`), "last"])
    }
  })

  it("counts repeats that come before their purchase, as segments may that are read in any order", () => {
    const set = new PurchaseIdSet()
    set.repeat("a", { repeats: 2, conflicts: 0 })
    expect([set.size, set.get("a")]).toEqual([0, undefined])
    set.add("a", 7, 8)
    set.repeat("a", { repeats: 0, conflicts: 1 })
    expect(set.get("a")).toEqual({ revision: 7, fingerprint: 8, repeats: 2, conflicts: 1 })
  })
})
