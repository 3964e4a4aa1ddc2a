import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { centsOf, decimalOf, parseExact } from "../../src/client/Amount.ts"
import { decimalFromCents } from "../../src/domain/Money.ts"

describe("amounts of the client", () => {
  it("are written and read as the service does", () => {
    fc.assert(
      fc.property(fc.bigInt(), (cents) => {
        expect(decimalOf(cents)).toBe(decimalFromCents(cents))
        expect(centsOf(decimalOf(cents))).toBe(cents)
      })
    )
  })

  it("are taken with fewer places, and nothing else is taken", () => {
    expect([centsOf("5"), centsOf("5.1"), centsOf("-0.05")]).toEqual([500n, 510n, -5n])
    for (const text of ["", "1.005", "1e3", "0x10", "01", ".5", "1.", " 1"])
      expect(() => centsOf(text)).toThrow(TypeError)
  })

  it("are read digit by digit, and counts as numbers", () => {
    const text = `{"total":90071992547409931.10,"purchaseCount":3,"purchases":[{"value":1.00,"quantity":2}]}`
    expect(parseExact(text)).toEqual({
      total: "90071992547409931.10",
      purchaseCount: 3,
      purchases: [{ value: "1.00", quantity: 2 }]
    })
  })
})
