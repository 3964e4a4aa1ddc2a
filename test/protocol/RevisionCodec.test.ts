import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodeCommit, revisionLineOf, revisionLinesOf, tokenOfLine } from "../../src/protocol/Commit.ts"
import type { AppliedPurchase, Revision } from "../../src/account/Revision.ts"
import { decodeRevision, encodeRevision, readRevision } from "../../src/protocol/RevisionCodec.ts"

const text = fc.string({ unit: "binary", maxLength: 12 })
const purchase: fc.Arbitrary<AppliedPurchase> = fc.record({
  purchaseId: text,
  productName: text,
  productType: text,
  valueCents: fc.bigInt({ min: 1n, max: BigInt(Number.MAX_SAFE_INTEGER) }),
  quantity: fc.integer({ min: 1 }),
  inputSequence: fc.nat(),
  inputIndex: fc.nat(),
  storedAt: fc.maxSafeNat()
})
const reversal: fc.Arbitrary<AppliedPurchase> = fc
  .tuple(purchase, fc.record({ reversalId: text, reason: text, asked: fc.nat(), previous: fc.nat() }))
  .map(([reversed, given]) => ({ ...reversed, reversal: given }))
const revision: fc.Arbitrary<Revision> = fc.record({
  // The total is far larger than a float can hold exactly.
  total: fc.bigInt({ min: 0n, max: 10n ** 30n }),
  count: fc.nat(),
  reversals: fc.nat({ max: 3 }),
  decidedThrough: fc.nat(),
  purchases: fc.array(fc.oneof(purchase, reversal), { maxLength: 5 }),
  repeats: fc
    .array(fc.tuple(text, fc.record({ repeats: fc.nat(), conflicts: fc.nat() })), { maxLength: 5 })
    .map((entries) => new Map(entries)),
  previous: fc.array(fc.nat(), { maxLength: 20 }),
  unsealed: fc.nat(),
  segment: fc.nat()
})

describe("a revision as a line of a commit", () => {
  it("a revision is read back from its line, and is found by its user among the lines of other users", () => {
    fc.assert(
      fc.property(revision, revision, (one, other) => {
        const lines = [encodeRevision("ann", one), encodeRevision("bob", other)]
        const commit = encodeCommit({ kind: "commit", epoch: 1, worker: "w", position: 0 }, lines)
        expect(revisionLinesOf(commit)).toEqual(lines)
        expect(lines.map(tokenOfLine)).toEqual(["ann", "bob"])
        expect(decodeRevision(revisionLineOf(commit, "ann") ?? "")).toEqual(one)
        expect(decodeRevision(revisionLineOf(commit, "bob") ?? "")).toEqual(other)
        expect(readRevision(revisionLineOf(commit, "ann") ?? "")).toEqual(one)
      })
    )
  })

  it("a line has the exact total, even if no float can hold that total", () => {
    const [one] = fc.sample(revision, 1) as [Revision]
    const written = encodeRevision("ann", { ...one, total: 9_007_199_254_740_993n })
    expect(written).toContain('"9007199254740993"')
    expect(decodeRevision(written).total).toBe(9_007_199_254_740_993n)
  })

  it("the line of an account without reversals is the same text as in versions without reversals", () => {
    const lamp = { purchaseId: "p1", productName: "Lamp", productType: "Office", valueCents: 1_050n, quantity: 2 }
    const purchases = [{ ...lamp, inputSequence: 7, inputIndex: 0, storedAt: 1_700_000_000_000 }]
    const repeats = new Map([["p0", { repeats: 1, conflicts: 0 }]])
    const first = { total: 2_100n, count: 1, reversals: 0, decidedThrough: 7, purchases, repeats }
    const written = { ...first, previous: [3], unsealed: 1, segment: 0 }
    const line = '["ann","2100",1,7,[["p1","Lamp","Office",1050,2,7,0,1700000000000]],[["p0",1,0]],[3],1,0]'
    expect(encodeRevision("ann", written)).toBe(line)
    for (const read of [decodeRevision(line), readRevision(line)]) {
      expect(read).toEqual(written)
      expect(Object.keys(read.purchases[0] ?? {})).not.toContain("reversal")
    }
  })

  it("the line of a reversal has a ninth element in its tuple, and ends with the number of reversals", () => {
    const line = '["ann","1050",2,9,[["p1","Lamp","Office",1050,1,9,0,1700000000001,["r1","Broken",1,0]]],[],[3],2,0,1]'
    const read = decodeRevision(line)
    expect(read.reversals).toBe(1)
    expect(read.purchases[0]?.reversal).toEqual({ reversalId: "r1", reason: "Broken", asked: 1, previous: 0 })
    expect(readRevision(line)).toEqual(read)
    expect(encodeRevision("ann", read)).toBe(line)
  })

  const applied: ReadonlyArray<unknown> = ["p1", "Lamp", "Furniture", 1_050, 2, 7, 0, 1_700_000_000_000]
  const whole: ReadonlyArray<unknown> = ["ann", "2100", 1, 7, [applied], [["p0", 1, 0]], [3], 1, 0]

  it.each<[string, ReadonlyArray<unknown>]>([
    ["with a total that is a number", whole.with(1, 2_100)],
    ["with a total that is no number", whole.with(1, "many")],
    ["with a purchase that lacks a field", whole.with(4, [applied.slice(1)])],
    ["with a purchase that has a field more", whole.with(4, [[...applied, 0]])],
    ["with a value that is a text", whole.with(4, [applied.with(3, "1050")])],
    ["with a count of repeats that is a text", whole.with(5, [["p0", "1", 0]])],
    ["with a predecessor that is a text", whole.with(6, ["3"])],
    ["with a reversal that lacks a field", whole.with(4, [[...applied, ["r1", "Broken", 1]]])],
    ["with a reversal whose reason is a number", whole.with(4, [[...applied, ["r1", 7, 1, 0]]])],
    ["with a reversal and one field more", whole.with(4, [[...applied, ["r1", "Broken", 1, 0], 0]])],
    ["with a number of reversals that is a text", [...whole, "1"]],
    ["with an element more than a line with reversals", [...whole, 1, 1]],
    ["without its segment", whole.slice(0, -1)]
  ])("a line of a revision is refused %s", (_how, different) => {
    expect(decodeRevision(JSON.stringify(whole))).toMatchObject({ total: 2_100n, previous: [3] })
    expect(() => decodeRevision(JSON.stringify(different))).toThrow()
    expect(readRevision(JSON.stringify(whole))).toEqual(decodeRevision(JSON.stringify(whole)))
    expect(() => readRevision(JSON.stringify(different))).toThrow()
  })
})
