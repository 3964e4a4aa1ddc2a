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
const revision: fc.Arbitrary<Revision> = fc.record({
  // The total is far larger than a float can hold exactly.
  total: fc.bigInt({ min: 0n, max: 10n ** 30n }),
  count: fc.nat(),
  decidedThrough: fc.nat(),
  purchases: fc.array(purchase, { maxLength: 5 }),
  repeats: fc
    .array(fc.tuple(text, fc.record({ repeats: fc.nat(), conflicts: fc.nat() })), { maxLength: 5 })
    .map((entries) => new Map(entries)),
  previous: fc.array(fc.nat(), { maxLength: 20 }),
  unsealed: fc.nat(),
  segment: fc.nat()
})

describe("a revision as a line of a commit", () => {
  it("a revision is read back from its line, and is found by its user among others", () => {
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

  it("a line keeps a total exact beyond what a float holds", () => {
    const [one] = fc.sample(revision, 1) as [Revision]
    const written = encodeRevision("ann", { ...one, total: 9_007_199_254_740_993n })
    expect(written).toContain('"9007199254740993"')
    expect(decodeRevision(written).total).toBe(9_007_199_254_740_993n)
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
    ["without its segment", whole.slice(0, -1)]
  ])("a line of a revision is refused %s", (_how, different) => {
    expect(decodeRevision(JSON.stringify(whole))).toMatchObject({ total: 2_100n, previous: [3] })
    expect(() => decodeRevision(JSON.stringify(different))).toThrow()
    expect(readRevision(JSON.stringify(whole))).toEqual(decodeRevision(JSON.stringify(whole)))
    expect(() => readRevision(JSON.stringify(different))).toThrow()
  })
})
