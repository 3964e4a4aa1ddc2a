import { assert, property, string } from "fast-check"
import { describe, expect, it } from "vitest"
import { csvLine, csvText } from "../../../src/edge/contract/Csv.ts"

/** Reads one line of CSV as RFC 4180 says. */
const cellsOf = (line: string): ReadonlyArray<string> => {
  expect(line.endsWith("\r\n")).toBe(true)
  return [...`,${line.slice(0, -2)}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? ""
  )
}

describe("a text as a cell of CSV", () => {
  it("a reader of CSV gets each text back, with an apostrophe in front of a formula", () =>
    assert(
      property(string({ unit: "grapheme" }), string(), (one, other) => {
        const cells = cellsOf(csvLine([csvText(one), "1.00", csvText(other)]))
        expect(
          cells.map((cell, index) => cell.replace(/^'/, "") === [one, "1.00", other][index]?.replace(/^'/, ""))
        ).toEqual([true, true, true])
      })
    ))

  it.each([
    ["=1+1", "'=1+1"],
    ["+1", "'+1"],
    ["-1", "'-1"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "'\t=1"],
    ["\r=1", `"'\r=1"`],
    [" =1+1", "' =1+1"],
    ["＝1+1", "'＝1+1"],
    [`=HYPERLINK("http://x","y")`, `"'=HYPERLINK(""http://x"",""y"")"`],
    ["Lamp, large", '"Lamp, large"'],
    ['2" pipe', '"2"" pipe"'],
    ["a-b=c", "a-b=c"],
    ["", ""]
  ])("the text %j is the cell %j", (text, cell) => {
    expect(csvText(text)).toBe(cell)
  })
})
