import { assert, bigInt, double, integer, property } from "fast-check"
import { describe, expect, it } from "vitest"
import { centsFromDecimal, decimalFromCents } from "../../src/domain/Money.ts"

describe("centsFromDecimal", () => {
  it.each([
    ["0", 0n],
    ["-0", 0n],
    ["0.1", 10n],
    ["0.01", 1n],
    ["1.10", 110n],
    ["-1.5", -150n],
    ["12", 1_200n],
    ["90071992547409.93", 9_007_199_254_740_993n],
    ["999999999999999.99", 99_999_999_999_999_999n]
  ])("reads %s", (text, cents) => {
    expect(centsFromDecimal(text)).toBe(cents)
  })

  it.each([
    ["1e2", "exponent"],
    ["1E400", "exponent"],
    ["1.5e-1", "exponent"],
    ["", "exponent"],
    ["NaN", "exponent"],
    ["Infinity", "exponent"],
    [" 1", "exponent"],
    ["1\n", "exponent"],
    ["+1", "exponent"],
    ["01", "exponent"],
    ["1.", "exponent"],
    [".5", "exponent"],
    ["1,5", "exponent"],
    ["0x10", "exponent"],
    ["1n", "exponent"],
    ["\u0661", "exponent"],
    ["1.005", "places"],
    ["1.000", "places"],
    ["1000000000000000", "size"],
    ["9".repeat(400), "size"]
  ])("refuses %j: %s", (text, problem) => {
    expect(centsFromDecimal(text)).toBe(problem)
  })

  it("is the inverse of decimalFromCents", () => {
    const most = 10n ** 17n - 1n
    assert(
      property(bigInt({ min: -most, max: most }), (cents) => {
        expect(centsFromDecimal(decimalFromCents(cents))).toBe(cents)
      })
    )
  })

  it("reads what JSON writes of a number with two places", () => {
    assert(
      property(integer({ min: 0, max: 1_000_000_000 }), (cents) => {
        expect(centsFromDecimal(JSON.stringify(cents / 100))).toBe(BigInt(cents))
      })
    )
  })

  it("answers any number's text, and no fraction of a cent is lost", () => {
    assert(
      property(double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const cents = centsFromDecimal(String(number))
        if (typeof cents === "bigint") expect(Number(decimalFromCents(cents))).toBe(number === 0 ? 0 : number)
      })
    )
  })
})

describe("decimalFromCents", () => {
  it.each([
    [0n, "0.00"],
    [1n, "0.01"],
    [10n, "0.10"],
    [100n, "1.00"],
    [151_393_428n, "1513934.28"],
    [-1n, "-0.01"],
    [-12_345n, "-123.45"],
    [9_007_199_254_740_993n, "90071992547409.93"],
    [10n ** 30n + 1n, "10000000000000000000000000000.01"]
  ])("writes %s", (cents, text) => {
    expect(decimalFromCents(cents)).toBe(text)
  })
})
