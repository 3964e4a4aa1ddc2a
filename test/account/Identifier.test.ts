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
} from "../../src/account/Identifier.ts"

const unprintable = (codePoint: string) =>
  `must not contain control, format or unpaired surrogate characters, and has ${codePoint}`
const blankAround = "must not begin or end with a blank"
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
  ])("a user id may be %j", (id) => {
    expect(userIdProblem(id)).toBeUndefined()
  })

  it.each([
    ["", "must not be empty"],
    ["x".repeat(65), "must have at most 64 characters"],
    ["\u{1f6d2}".repeat(65), "must have at most 64 characters"],
    ["\0", unprintable("U+0000")],
    ["a\r\nb", unprintable("U+000D")],
    ["a\tb", unprintable("U+0009")],
    ["\x7f", unprintable("U+007F")],
    ["\x9f", unprintable("U+009F")],
    ["\u00ad", unprintable("U+00AD")],
    ["a\u200bb", unprintable("U+200B")],
    ["a\u202eb", unprintable("U+202E")],
    ["\u2028", unprintable("U+2028")],
    ["\u2029", unprintable("U+2029")],
    ["\ufeff", unprintable("U+FEFF")],
    ["\ud83d", unprintable("U+D83D")],
    ["\u{e0041}", unprintable("U+E0041")],
    ["a\u200db", unprintable("U+200D")],
    ["a\u200cb", unprintable("U+200C")],
    ["\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}", unprintable("U+E0067")],
    [" ", blankAround],
    ["bob ", blankAround],
    [" bob", blankAround],
    ["*bob ", blankAround],
    ["bob\u00a0", blankAround],
    ["\u3000bob", blankAround],
    ["\u2003bob", blankAround],
    ["bob\u2800", blankAround],
    ["bob\u3164", blankAround],
    ["a/b", segment],
    ["a\\b", segment],
    ["../x", segment],
    [".", segment],
    ["..", segment]
  ])("a user id may not be %j", (id, problem) => {
    expect(userIdProblem(id)).toBe(problem)
  })
})

describe("a product's text", () => {
  it.each([
    ["\u06a9\u062a\u0627\u0628\u200c\u0647\u0627", "a word with a non-joiner"],
    ["\u0dc1\u0dca\u200d\u0dbb\u0dd3 Lanka tea", "a word with a joiner"],
    ["\u{1f468}\u200d\u{1f469}\u200d\u{1f467} mug", "an emoji of joined ones"],
    ["\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} scarf", "a flag of tag characters"],
    ["\u2764\ufe0f", "an emoji with a variation selector"],
    [" Lamp ", "a word with blanks around"]
  ])("a product's text may be %j, %s", (text) => {
    expect(productTextProblem(text)).toBeUndefined()
  })

  it.each([
    ["", "must not be empty"],
    [" ", "must not be blank"],
    ["   \u00a0\u3000", "must not be blank"],
    ["\u200d", "must not be blank"],
    [" \u200c ", "must not be blank"],
    ["\u2800", "must not be blank"],
    ["\u3164", "must not be blank"],
    ["\ufe0f", "must not be blank"],
    ["a\u202eb", unprintable("U+202E")],
    ["a\u2066b", unprintable("U+2066")],
    ["a\u200bb", unprintable("U+200B")],
    ["a\u00adb", unprintable("U+00AD")],
    ["\ufeffLamp", unprintable("U+FEFF")],
    ["\ud83d\u200d\ude00", unprintable("U+D83D")],
    ["\u{e0067}\u{e0062}\u{e007f}", unprintable("U+E0067")],
    ["\u{1f3f4}\u{e0067}\u{e0062}", unprintable("U+E0067")],
    ["\u{1f3f4}\u{e007f}", unprintable("U+E007F")],
    ["\u{1f3f4}-\u{e0067}\u{e007f}", unprintable("U+E0067")],
    ["\u{1f3f4}\u{e0067}\u{e007f}\u{e0067}", unprintable("U+E0067")],
    ["\u{1f3f4}\u{e0001}\u{e0067}\u{e007f}", unprintable("U+E0001")],
    ["a\u200d".repeat(101), "must have at most 200 characters"]
  ])("a product's text may not be %j", (text, problem) => {
    expect(productTextProblem(text)).toBe(problem)
  })
})

describe("the texts of an account", () => {
  it("each kind of text has its own greatest length, counted in characters", () => {
    expect(purchaseIdProblem("\u{1f6d2}".repeat(128))).toBeUndefined()
    expect(purchaseIdProblem("x".repeat(129))).toBe("must have at most 128 characters")
    expect(productTextProblem("\u{1f6d2}".repeat(200))).toBeUndefined()
    expect(productTextProblem("x".repeat(201))).toBe("must have at most 200 characters")
  })

  it("a product's name may contain the separators of a path, and a purchase id may not", () => {
    expect(productTextProblem("a/b\\c")).toBeUndefined()
    expect(productTextProblem("..")).toBeUndefined()
    expect(purchaseIdProblem("a/b")).toBe(segment)
    expect(purchaseIdProblem("..")).toBe(segment)
  })
})

describe("the schemas of ids and texts", () => {
  const schemas = [
    ["UserId", Schema.decodeUnknownExit(UserId), userIdProblem],
    ["PurchaseId", Schema.decodeUnknownExit(PurchaseId), purchaseIdProblem],
    ["ProductText", Schema.decodeUnknownExit(ProductText), productTextProblem]
  ] as const
  const nasty = constantFrom(
    ..."a.*>/\u200d\u00a0\\ =\0\r\n\u200b\u202e\u2028\u00e9\u0301\ufb2c\u212b\u{1f6d2}",
    "\ud800"
  )

  it.each(schemas)(
    "the schema %s takes a text in NFC that has no problem, and refuses any other text",
    (_name, decode, problem) => {
      assert(
        property(string({ unit: nasty, maxLength: 210 }), (text) => {
          const isGood = text.normalize("NFC") === text && problem(text) === undefined
          expect(Exit.isSuccess(decode(text))).toBe(isGood)
        })
      )
      expect(Exit.isSuccess(decode(5))).toBe(false)
    }
  )

  it.each(schemas)("the schema %s refuses a decomposed text", (_name, decode) => {
    expect(Exit.isSuccess(decode("Ren\u00e9"))).toBe(true)
    expect(Exit.isSuccess(decode("Rene\u0301"))).toBe(false)
  })
})
