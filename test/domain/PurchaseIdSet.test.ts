import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PurchaseIdSet, type SeenPurchase } from "../../src/domain/PurchaseIdSet.ts"

const ids = fc.constantFrom("a", "b", "__proto__", "", "\u{1f6d2}", "0", "constructor", "d")
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("seal" as const) }),
    fc.record({ kind: fc.constant("add" as const), id: ids, revision: fc.maxSafeNat(), fingerprint: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("repeat" as const), id: ids, repeats: fc.nat(), conflicts: fc.nat() })
  ),
  { maxLength: 60 }
)

describe("PurchaseIdSet", () => {
  it("says of each id what a map of objects would", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const set = new PurchaseIdSet()
        const model = new Map<string, SeenPurchase>()
        let sealed = 0
        for (const step of all) {
          const known = step.kind === "seal" ? undefined : model.get(step.id)
          if (step.kind === "seal") {
            set.seal()
            sealed = model.size
          } else if (step.kind === "add" && known === undefined) {
            const { id, revision, fingerprint } = step
            set.add(id, revision, fingerprint)
            model.set(id, { revision, fingerprint, repeats: 0, conflicts: 0 })
          } else if (step.kind === "repeat" && known !== undefined) {
            const { id, repeats, conflicts } = step
            set.repeat(id, { repeats, conflicts })
            model.set(id, { ...known, repeats: known.repeats + repeats, conflicts: known.conflicts + conflicts })
          }
          expect(set.size).toBe(model.size)
          expect([...set.ids()]).toEqual([...model.keys()])
          expect(set.unsealedSize).toBe(model.size - sealed)
          expect(set.unsealedEntries()).toEqual(
            [...model]
              .slice(sealed)
              .map(([purchaseId, { revision, fingerprint }]) => ({ purchaseId, revision, fingerprint }))
          )
          for (const id of ["a", "b", "__proto__", "", "\u{1f6d2}", "0", "constructor", "d"]) {
            expect(set.get(id)).toEqual(model.get(id))
            expect(set.fingerprintOf(id)).toBe(model.get(id)?.fingerprint)
          }
        }
      })
    )
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
