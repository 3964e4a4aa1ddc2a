import { assert, bigInt, double, integer, property } from "fast-check"
import { describe, expect, it } from "vitest"
import { centsFromDecimal, decimalFromCents } from "../../src/account/Money.ts"

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
    ["999999999999999.99", 99_999_999_999_999_999n],
    ["10.000", 1_000n],
    ["1.00000000000000000000", 100n],
    ["1e2", 10_000n],
    ["1E+2", 10_000n],
    ["1.5e-1", 15n],
    ["1250e-2", 1_250n],
    ["0.00012e5", 1_200n],
    ["-1e1", -1_000n],
    ["1e14", 10_000_000_000_000_000n],
    ["0e999999999", 0n],
    ["0.000e-999999999", 0n],
    [`0.${"0".repeat(400)}1e401`, 100n],
    [`1${"0".repeat(400)}e-400`, 100n]
  ])("the amount %s is read as cents", (text, cents) => {
    expect(centsFromDecimal(text)).toBe(cents)
  })

  it.each([
    ["", "form"],
    ["NaN", "form"],
    ["Infinity", "form"],
    [" 1", "form"],
    ["1\n", "form"],
    ["+1", "form"],
    ["01", "form"],
    ["1.", "form"],
    [".5", "form"],
    ["1,5", "form"],
    ["0x10", "form"],
    ["1n", "form"],
    ["\u0661", "form"],
    ["1.005", "places"],
    ["0.001", "places"],
    ["1.0050", "places"],
    ["1e-3", "places"],
    ["100e-5", "places"],
    ["1e-999999999", "places"],
    ["1000000000000000", "size"],
    ["9".repeat(400), "size"],
    ["1e400", "size"],
    ["1E400", "size"],
    ["1e15", "size"],
    ["1e999999999", "size"],
    [`1e${"9".repeat(400)}`, "size"],
    [`1e-${"9".repeat(400)}`, "places"],
    ["1e", "form"],
    ["1e+", "form"],
    ["1e1.5", "form"]
  ])("the amount %j is refused for its %s", (text, problem) => {
    expect(centsFromDecimal(text)).toBe(problem)
  })

  it("reading an amount is the inverse of writing an amount", () => {
    const most = 10n ** 17n - 1n
    assert(
      property(bigInt({ min: -most, max: most }), (cents) => {
        expect(centsFromDecimal(decimalFromCents(cents))).toBe(cents)
      })
    )
  })

  it("an amount is read from the JSON of a number with two decimal places", () => {
    assert(
      property(integer({ min: 0, max: 1_000_000_000 }), (cents) => {
        expect(centsFromDecimal(JSON.stringify(cents / 100))).toBe(BigInt(cents))
      })
    )
  })

  it("an amount is read as the same cents with zeros at its end, or written with an exponent", () => {
    const most = 10n ** 17n - 1n
    assert(
      property(bigInt({ min: -most, max: most }), integer({ min: 0, max: 30 }), (cents, zeros) => {
        const text = decimalFromCents(cents)
        expect(centsFromDecimal(text + "0".repeat(zeros))).toBe(cents)
        const scaled = `${cents * 10n ** BigInt(zeros)}E-${zeros + 2}`
        expect(centsFromDecimal(scaled)).toBe(cents)
        const sign = cents < 0n ? "-" : ""
        const digits = text.replace(/[-.]/g, "")
        expect(centsFromDecimal(`${sign}0.${"0".repeat(zeros)}${digits}e+${digits.length + zeros - 2}`)).toBe(cents)
      })
    )
  })

  it("any number's text gives cents or a problem, and no fraction of a cent is lost", () => {
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
  ])("cents are written as %s", (cents, text) => {
    expect(decimalFromCents(cents)).toBe(text)
  })
})
