import { assert, constantFrom, property, string } from "fast-check"
import { Exit, Schema } from "effect"
import { describe, expect, it } from "vitest"
import {
  ProductText,
  productTextProblem,
  PurchaseId,
  purchaseIdProblem,
  UserId,
  userIdProblem
} from "../../src/domain/Identifier.ts"

const printable = "must not contain control, format or unpaired surrogate characters"
const segment = "must not contain / or \\, nor be . or .. (an id is one segment of a path)"

describe("a user id", () => {
  it.each([
    "a",
    "ann@x.org",
    "a b",
    "*",
    ">",
    "a.b",
    "...",
    "=41",
    "$",
    "\u00e9",
    "\u6f22\u5b57",
    "\u{1f6d2}",
    "x".repeat(64),
    "\u{1f6d2}".repeat(64)
  ])("may be %j", (id) => {
    expect(userIdProblem(id)).toBeUndefined()
  })

  it.each([
    ["", "must not be empty"],
    ["x".repeat(65), "must have at most 64 characters"],
    ["\u{1f6d2}".repeat(65), "must have at most 64 characters"],
    ["\0", printable],
    ["a\r\nb", printable],
    ["a\tb", printable],
    ["\x7f", printable],
    ["\x9f", printable],
    ["\u00ad", printable],
    ["a\u200bb", printable],
    ["a\u202eb", printable],
    ["\u2028", printable],
    ["\u2029", printable],
    ["\ufeff", printable],
    ["\ud83d", printable],
    ["\u{e0041}", printable],
    ["a/b", segment],
    ["a\\b", segment],
    ["../x", segment],
    [".", segment],
    ["..", segment]
  ])("may not be %j", (id, problem) => {
    expect(userIdProblem(id)).toBe(problem)
  })
})

describe("the other texts", () => {
  it("have lengths of their own, counted in characters", () => {
    expect(purchaseIdProblem("\u{1f6d2}".repeat(128))).toBeUndefined()
    expect(purchaseIdProblem("x".repeat(129))).toBe("must have at most 128 characters")
    expect(productTextProblem("\u{1f6d2}".repeat(200))).toBeUndefined()
    expect(productTextProblem("x".repeat(201))).toBe("must have at most 200 characters")
  })

  it("a product may have a path's characters, a purchase id may not", () => {
    expect(productTextProblem("a/b\\c")).toBeUndefined()
    expect(productTextProblem("..")).toBeUndefined()
    expect(purchaseIdProblem("a/b")).toBe(segment)
    expect(purchaseIdProblem("..")).toBe(segment)
  })
})

describe("the schemas", () => {
  const schemas = [
    ["UserId", Schema.decodeUnknownExit(UserId), userIdProblem],
    ["PurchaseId", Schema.decodeUnknownExit(PurchaseId), purchaseIdProblem],
    ["ProductText", Schema.decodeUnknownExit(ProductText), productTextProblem]
  ] as const
  const nasty = constantFrom(..."a.*>/\\ =\0\r\n\u200b\u202e\u2028\u00e9\u0301\ufb2c\u212b\u{1f6d2}", "\ud800")

  it.each(schemas)("%s takes what is NFC and has no problem, and nothing else", (_name, decode, problem) => {
    assert(
      property(string({ unit: nasty, maxLength: 210 }), (text) => {
        const isGood = text.normalize("NFC") === text && problem(text) === undefined
        expect(Exit.isSuccess(decode(text))).toBe(isGood)
      })
    )
    expect(Exit.isSuccess(decode(5))).toBe(false)
  })

  it.each(schemas)("%s refuses a decomposed text", (_name, decode) => {
    expect(Exit.isSuccess(decode("Ren\u00e9"))).toBe(true)
    expect(Exit.isSuccess(decode("Rene\u0301"))).toBe(false)
  })
})
