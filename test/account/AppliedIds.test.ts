import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { AppliedIds } from "../../src/account/AppliedIds.ts"
import { IdList } from "../../src/account/IdList.ts"
import { IdTable } from "../../src/account/IdTable.ts"

const kinds: ReadonlyArray<{ readonly name: string; readonly make: () => AppliedIds; readonly most: number }> = [
  { name: "IdList", make: () => new IdList(), most: 100 },
  { name: "IdTable", make: () => new IdTable(0), most: 1_500 },
  { name: "IdTable with room", make: () => new IdTable(300), most: 1_500 }
]

describe.each(kinds)("$name", ({ make, most }) => {
  it("a set of any ids answers as a map of these ids does while the set grows", () => {
    const id = fc.string({ unit: "binary", maxLength: 128 })
    const few = fc.array(fc.tuple(id, fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 40 })
    fc.assert(
      fc.property(few, fc.array(id, { maxLength: 10 }), fc.nat({ max: most }), (entries, others, many) => {
        const numbered = Array.from({ length: many }, (_, index) => [`order-${index}`, index, 2 * index] as const)
        // The ids of this list have the same length and the same end, so their tags are equal.
        const alike = Array.from({ length: 10 }, (_, index) => [`${index}: the same end`, index, 3 * index] as const)
        const ids = make()
        const model = new Map<string, { sequence: number; fingerprint: number }>()
        for (const [key, sequence, fingerprint] of [...entries, ...alike, ...numbered, ...entries]) {
          ids.add(key, sequence, fingerprint)
          if (!model.has(key)) model.set(key, { sequence, fingerprint })
        }
        expect(ids.size).toBe(model.size)
        const all = Array.from({ length: ids.size }, (_, index) => index)
        expect(all.map((index) => ids.idAt(index))).toEqual([...model.keys()])
        expect(
          all.map((index) => ({ sequence: ids.sequenceAt(index), fingerprint: ids.fingerprintAt(index) }))
        ).toEqual([...model.values()])
        expect([...model.keys()].map((key) => ids.indexOf(key))).toEqual(all)
        for (const key of [...others, "", "order-", "x: the same end", "order-3001", "order-00"]) {
          if (!model.has(key)) expect(ids.indexOf(key)).toBe(-1)
        }
      }),
      { numRuns: 30 }
    )
  })
})
