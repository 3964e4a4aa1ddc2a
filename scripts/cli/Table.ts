import stringWidth from "string-width"
import { plain } from "./Output.ts"

/** A column of a table. */
export interface Column<Item> {
  readonly name: string
  /** Returns the text of an item in this column, with any characters. */
  readonly cell: (item: Item) => string | number
  /** Whether the column has numbers, which are set to the right. */
  readonly isNumber?: true
  /**
   * Whether the column may be cut if the table is wider than the terminal. Columns of ids and amounts are never cut.
   */
  readonly mayBeCut?: true
  /** Returns the colour of an item's cell; `undefined` for no colour. */
  readonly colour?: (item: Item) => "green" | "red" | undefined
}

/** The part of a terminal that a table needs. */
export interface TableSpace {
  /** The number of characters in a line of the terminal. */
  readonly width: number
  /** Returns a text in a colour, or the text itself if there are no colours. */
  readonly paint: (style: "bold" | "green" | "red", text: string) => string
}

const gap = "  "
const ellipsis = "…"
/** The fewest characters to which a column is cut. */
const cutWidthMin = 8

const graphemes = new Intl.Segmenter()

/** Returns the beginning of a text that fits into a width, with an ellipsis if something is left out. */
export const cutTo = (text: string, width: number): string => {
  if (stringWidth(text) <= width) return text
  let kept = ""
  for (const { segment } of graphemes.segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return kept + ellipsis
}

const padded = (text: string, width: number, isNumber: boolean): string => {
  const blanks = " ".repeat(Math.max(0, width - stringWidth(text)))
  return isNumber ? blanks + text : text + blanks
}

/** Returns the widths of the columns. Columns that may be cut share the width that the other columns leave. */
const widthsOf = <Item>(
  columns: ReadonlyArray<Column<Item>>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  space: number
) => {
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => stringWidth(row[index] ?? ""))))
  let excess = widths.reduce((sum, width) => sum + width, gap.length * (columns.length - 1)) - space
  for (const [index, { mayBeCut = false }] of columns.entries()) {
    const width = widths[index] ?? 0
    if (!mayBeCut || excess <= 0) continue
    widths[index] = Math.max(Math.min(width, cutWidthMin), width - excess)
    excess -= width - widths[index]
  }
  return widths
}

/** Returns a table with a line of names and a line for each item. The lines of the table end without blanks. */
export const tableText = <Item>(
  columns: ReadonlyArray<Column<Item>>,
  items: ReadonlyArray<Item>,
  { width, paint }: TableSpace
): string => {
  const names = columns.map(({ name }) => name)
  const cells = items.map((item) => columns.map(({ cell }) => plain(String(cell(item)))))
  const widths = widthsOf(columns, [names, ...cells], width)
  const lineOf = (row: ReadonlyArray<string>, painted: (text: string, index: number) => string): string =>
    columns
      .map(({ isNumber = false }, index) => {
        const text = cutTo(row[index] ?? "", widths[index] ?? 0)
        const isLast = index === columns.length - 1 && !isNumber
        return painted(isLast ? text : padded(text, widths[index] ?? 0, isNumber), index)
      })
      .join(gap)
      .trimEnd()
  return [
    lineOf(names, (text) => paint("bold", text)),
    ...items.map((item, at) =>
      lineOf(cells[at] ?? [], (text, index) => {
        const colour = columns[index]?.colour?.(item)
        return colour === undefined ? text : paint(colour, text)
      })
    )
  ].join("\n")
}
