import stringWidth from "string-width"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cutTo, type Column, tableText } from "../../scripts/cli/Table.ts"

interface Item {
  readonly id: string
  readonly name: string
  readonly amount: string
}

const columns: ReadonlyArray<Column<Item>> = [
  { name: "id", cell: ({ id }) => id },
  { name: "name", cell: ({ name }) => name, mayBeCut: true },
  { name: "amount", cell: ({ amount }) => amount, isNumber: true, colour: ({ id }) => (id === "a" ? "red" : undefined) }
]

const space = (width: number) => ({ width, paint: (_style: string, text: string) => text })

describe("a table", () => {
  it("a table has a line of names, sets numbers to the right, and pads texts by their width on a terminal", () => {
    const items = [
      { id: "a", name: "Lamp", amount: "12.50" },
      { id: "order-2", name: "電気スタンド", amount: "9.00" }
    ]
    expect(tableText(columns, items, space(80))).toBe(
      ["id       name          amount", "a        Lamp           12.50", "order-2  電気スタンド    9.00"].join("\n")
    )
  })

  it("a table that is wider than the terminal cuts only the columns that may be cut", () => {
    const items = [{ id: "an-id-that-is-copied", name: "A lamp with a long name", amount: "1000000.00" }]
    expect(tableText(columns, items, space(50)).split("\n")[1]).toBe(
      "an-id-that-is-copied  A lamp with a l…  1000000.00"
    )
    expect(tableText(columns, items, space(10)).split("\n")[1]).toBe("an-id-that-is-copied  A lamp …  1000000.00")
  })

  it("a table shows control characters as a sign, because a text may hold commands for a terminal", () => {
    const items = [{ id: "a", name: "\u001B[31mred\nline", amount: "1.00" }]
    expect(tableText(columns, items, space(80)).split("\n")[1]).toBe("a   \uFFFD[31mred\uFFFDline    1.00")
  })

  it("a table paints the names and the cells with a colour, and the colours take no width", () => {
    const paint = (style: string, text: string) => `<${style}>${text}</>`
    const items = ["a", "b"].map((id) => ({ id, name: "Lamp", amount: "1.00" }))
    expect(tableText(columns, items, { width: 80, paint }).split("\n")).toEqual([
      "<bold>id</>  <bold>name</>  <bold>amount</>",
      "a   Lamp  <red>  1.00</>",
      "b   Lamp    1.00"
    ])
  })

  it("a text that is cut is never wider than its column, and a text that fits is not changed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 20 }), (text, width) => {
        const cut = cutTo(text, width)
        expect(stringWidth(cut)).toBeLessThanOrEqual(width)
        if (stringWidth(text) <= width) expect(cut).toBe(text)
      })
    )
  })
})
