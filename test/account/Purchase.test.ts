import { Exit, Schema } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Purchase, readPurchase } from "../../src/account/Purchase.ts"

const decode = Schema.decodeUnknownExit(Purchase)

const text = fc.oneof(
  fc.constantFrom("ann", "Lamp", "", " ", "a ", " a", "a/b", "..", "café", "cafe\u0301", "a\u0000", "x".repeat(65)),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom<unknown>(undefined, null, 7, ["ann"])
)
const amount = fc.oneof(
  fc.constantFrom<unknown>(0, -0, 1, 1.5, 100_000, 100_001, 100_000_000, 100_000_001, Number.NaN, "7", 7n, null),
  fc.integer({ min: -2, max: 200_000 }),
  fc.double()
)
const candidate = fc.oneof(
  fc.record(
    {
      purchaseId: text,
      userId: text,
      productName: text,
      productType: text,
      valueCents: amount,
      quantity: amount,
      more: text
    },
    { requiredKeys: [] }
  ),
  fc.record({
    purchaseId: fc.constant("p1"),
    userId: fc.constant("ann"),
    productName: text,
    productType: fc.constant("Office"),
    valueCents: amount,
    quantity: amount
  }),
  fc.constantFrom<unknown>(undefined, null, 7, "text", [], {})
)

describe("a purchase of the input log", () => {
  it("readPurchase returns the same purchase as the schema, or undefined for a value that the schema refuses", () => {
    let read = 0
    fc.assert(
      fc.property(candidate, (json) => {
        const bySchema = decode(json)
        const byHand = readPurchase(json)
        if (byHand !== undefined) read += 1
        expect(byHand).toEqual(Exit.isSuccess(bySchema) ? bySchema.value : undefined)
      }),
      { numRuns: 5_000 }
    )
    expect(read).toBeGreaterThan(50)
  })
})
