import { array, assert, constantFrom, integer, oneof, property, string } from "fast-check"
import { describe, expect, it } from "vitest"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { batchLinesMax, type Line, PurchaseLines } from "../../../src/edge/posting/LineReader.ts"
import { purchaseText } from "../../support/TestService.ts"

const lineBytesMax = 400
const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Returns the lines that are read from a body whose pieces end at these indexes. */
const batchesOf = (body: Uint8Array, ends: ReadonlyArray<number> = []): ReadonlyArray<ReadonlyArray<Line>> => {
  const lines = new PurchaseLines(lineBytesMax, () => "new-id")
  const places = [0, ...[...ends].sort((one, other) => one - other), body.length]
  const pieces = places.slice(1).map((end, index) => body.subarray(places[index], end))
  return [...pieces.flatMap((piece) => [...lines.read(piece)]), ...lines.end()]
}
/** Returns the numbers of the lines, with the id of the purchase or with the problem. */
const readOf = (body: Uint8Array | string, ends?: ReadonlyArray<number>) =>
  batchesOf(typeof body === "string" ? bytesOf(body) : body, ends)
    .flat()
    .map(({ number, read }) => `${number} ${isProblem(read) ? `${read.status} ${read.detail}` : read.purchaseId}`)

const line = (purchaseId: string, more: Record<string, unknown> = {}) => purchaseText({ purchaseId, ...more })
const notText = "400 The line could not be read as UTF-8 text."
const tooLong = `413 A purchase has at most ${lineBytesMax} bytes.`

describe("the lines of a body", () => {
  it.each([
    ["end with a line feed", `${line("a")}\n${line("b")}\n`, ["1 a", "2 b"]],
    ["may leave out the last line feed", `${line("a")}\n${line("b")}`, ["1 a", "2 b"]],
    ["may end with CR LF", `${line("a")}\r\n${line("b")}\r\n`, ["1 a", "2 b"]],
    ["are counted where they are blank, and not answered", `\n${line("a")}\n \t\r\n\n${line("b")}\n\n`, ["2 a", "5 b"]],
    ["are an empty list if it is empty", "", []],
    ["are an empty list if it is blank", " \n\r\n  ", []],
    ["may have ids of their own", `${purchaseText()}\n`, ["1 new-id"]],
    ["may have other characters", `${line("ö")}\n${line("\u{1f6d2}")}\n`, ["1 ö", "2 \u{1f6d2}"]],
    ["may begin with a byte order mark", `\uFEFF${line("a")}\n${line("b")}`, ["1 a", "2 b"]],
    ["may begin with a byte order mark and a blank line", `\uFEFF\n${line("b")}`, ["2 b"]],
    ["are an empty list if it is only a byte order mark", "\uFEFF", []],
    ["may have space around", `  ${line("a")}\t\n`, ["1 a"]]
  ])("the lines of a body %s", (_what, body, expected) => {
    expect(readOf(body)).toEqual(expected)
  })

  it.each([
    ["is no JSON", "{", /^2 400 The line is not JSON: /],
    ["has two purchases", `${line("x")}${line("y")}`, /^2 400 The line is not JSON: /],
    [
      "begins with a byte order mark",
      `\uFEFF${line("x")}`,
      /^2 400 The line is not JSON: [^\uFEFF]*<U\+FEFF>[^\uFEFF]*$/
    ],
    ["has a NUL", `${line("x")}\0`, /^2 400 The line is not JSON: /],
    ["is an array", `[${line("x")}]`, /^2 400 The line must be one JSON object\.$/],
    [
      "repeats a key",
      line("x").replace("{", '{"value":1,'),
      /^2 400 The key value is given more than once\. Give it once\.$/
    ],
    [
      "is nested",
      line("x", { productName: [1] }),
      /^2 400 Each field of a purchase must be a text or a number; nothing/
    ],
    [
      "has a value that is refused",
      line("x", { value: 1.005 }),
      /^2 422 value 1.005 has more than two decimal places\.$/
    ],
    [
      "has a lone surrogate",
      line("x", { productName: "\ud800" }),
      /^2 422 productName must not contain control, format/
    ]
  ])("if a line of a body %s, the other lines are still read", (_what, wrong, expected) => {
    expect(readOf(`${line("a")}\n${wrong}\n${line("c")}`)).toEqual(["1 a", expect.stringMatching(expected), "3 c"])
  })

  it("lines that are not UTF-8 are refused, and the other lines are read", () => {
    const body = Buffer.concat([
      bytesOf(`${line("a")}\n"`),
      Uint8Array.of(0xff, 0xc3),
      bytesOf(`"\n${line("ö")}\n`),
      Uint8Array.of(0xe2, 0x82)
    ])
    expect(readOf(body)).toEqual(["1 a", `2 ${notText}`, "3 ö", `4 ${notText}`])
  })

  it("a line of one byte more than the bound is refused, in whatever pieces it comes", () => {
    const most = line("a").padEnd(lineBytesMax, " ")
    const expected = ["1 a", `2 ${tooLong}`, "3 a"]
    for (const mark of ["", "\uFEFF"]) {
      const body = bytesOf(`${mark}${most}\n${most} \n${most}`)
      expect(readOf(body)).toEqual(expected)
      for (let end = 1; end < body.length; end += 1) expect(readOf(body, [end])).toEqual(expected)
    }
    expect(readOf(`${most} `)).toEqual([`1 ${tooLong}`])
  })

  it("the message about a line with two byte order marks shows the second mark", () => {
    expect(readOf(`\uFEFF\uFEFF${line("a")}\n${line("b")}`)).toEqual([
      expect.stringMatching(/^1 400 .*<U\+FEFF>/),
      "2 b"
    ])
  })

  it("a line that ends within a byte order mark is refused", () => {
    expect(readOf(Uint8Array.of(0xef, 0xbb))).toEqual([`1 ${notText}`])
    expect(readOf(Uint8Array.of(0xef, 0xbb, 0x0a, 0xef), [1])).toEqual([`1 ${notText}`, `2 ${notText}`])
  })

  it("a line that is too long is not held in memory", () => {
    const lines = new PurchaseLines(lineBytesMax, () => "new-id")
    const piece = new Uint8Array(lineBytesMax).fill(0x20)
    for (let pieces = 0; pieces < 1_000; pieces += 1) expect([...lines.read(piece)]).toEqual([])
    expect(lines.heldBytes).toBeLessThanOrEqual(lineBytesMax)
    const read = [...lines.read(bytesOf(`\n${line("b")}\n`))].flat().map(({ number }) => number)
    expect(read).toEqual([1, 2])
  })

  it("the lines of a body do not depend on the pieces in which the body comes", () => {
    const lines = oneof(
      string({ unit: "grapheme", maxLength: 20 }).map((id) => bytesOf(line(id))),
      constantFrom("", " ", "\r", "{", "\u20ac", "\uFEFF", "\uFEFF{", "x".repeat(500)).map(bytesOf),
      constantFrom(Uint8Array.of(0xe2, 0x82), Uint8Array.of(0xff))
    )
    assert(
      property(
        array(lines, { maxLength: 12 }),
        array(integer({ min: 0, max: 2_000 }), { maxLength: 12 }),
        (all, ends) => {
          const body = Buffer.concat(all.flatMap((one, index) => (index === 0 ? [one] : [bytesOf("\n"), one])))
          expect(
            readOf(
              body,
              ends.map((end) => end % (body.length + 1))
            )
          ).toEqual(readOf(body))
        }
      ),
      { numRuns: 2_000 }
    )
  })

  it("lines come in batches of a bounded number", () => {
    const batches = batchesOf(bytesOf("1\n".repeat(batchLinesMax * 2 + 1)))
    expect(batches.map((batch) => batch.length)).toEqual([batchLinesMax, batchLinesMax, 1])
  })
})
