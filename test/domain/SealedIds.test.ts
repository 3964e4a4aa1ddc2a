import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SealedIds } from "../../src/domain/SealedIds.ts"

describe("SealedIds", () => {
  it("is what a map is, for any ids, while it grows", () => {
    const id = fc.string({ unit: "binary", maxLength: 128 })
    const few = fc.array(fc.tuple(id, fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 40 })
    fc.assert(
      fc.property(few, fc.array(id, { maxLength: 10 }), fc.nat({ max: 1_500 }), (entries, others, many) => {
        const numbered = Array.from({ length: many }, (_, index) => [`order-${index}`, index, 2 * index] as const)
        const table = new SealedIds()
        const model = new Map<string, { revision: number; fingerprint: number }>()
        for (const [key, revision, fingerprint] of [...entries, ...numbered, ...entries]) {
          table.add(key, revision, fingerprint)
          if (!model.has(key)) model.set(key, { revision, fingerprint })
        }
        expect(table.size).toBe(model.size)
        expect([...table.ids()]).toEqual([...model.keys()])
        for (const [key, member] of model) expect(table.get(key)).toEqual(member)
        for (const key of [...others, "", "order-", "order-3001", "order-00"])
          expect(table.get(key)).toEqual(model.get(key))
      }),
      { numRuns: 30 }
    )
  })
})
