import { Flag } from "effect/cli"
import type { Asked } from "./Asking.ts"
import { counted } from "./Output.ts"
import { type Column, tableText } from "./Table.ts"
import { wholeNumber } from "./WholeNumber.ts"

export const listFlags = {
  limit: Flag.Int("limit").pipe(
    Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    Flag.withDescription("The most items to print, 20 by default"),
    Flag.withDefault(20)
  ),
  all: Flag.Boolean("all").pipe(Flag.withDescription("Print all items"), Flag.withDefault(false))
}

/** Yields the items that the flags ask for: the first `limit`, or all. */
export async function* listed<Item>(
  items: AsyncIterable<Item>,
  { limit, all }: { readonly limit: number; readonly all: boolean }
): AsyncGenerator<Item> {
  let taken = 0
  for await (const item of items) {
    yield item
    taken += 1
    if (!all && taken === limit) return
  }
}

/** The most items of one table. A longer list is several tables, so that its items are printed as they come. */
const tableItemsMax = 100

/** The ways to show an item of a list. */
export interface Shown<Item> {
  /** Returns the line of an item for a pipe. */
  readonly line: (item: Item) => string
  /** The columns of the table for a terminal. */
  readonly columns: ReadonlyArray<Column<Item>>
  /** The text that stands for an empty list. */
  readonly empty: string
}

/** Prints a list: tables on a terminal, JSON lines with `--json`, and lines elsewhere. */
export const printList = async <Item>(
  { print, note, terminal, progress }: Pick<Asked, "print" | "note" | "terminal" | "progress">,
  items: AsyncIterable<Item> | Iterable<Item>,
  { line, columns, empty }: Shown<Item>
): Promise<void> => {
  let read = 0
  progress.show(() => (read === 0 ? "waiting for the service" : `${counted(read)} read`))
  let rows: Array<Item> = []
  for await (const item of items) {
    read += 1
    if (terminal === undefined) {
      print(item, line(item))
      continue
    }
    rows.push(item)
    if (rows.length < tableItemsMax) continue
    note(tableText(columns, rows, terminal))
    rows = []
  }
  if (terminal !== undefined && rows.length > 0) note(tableText(columns, rows, terminal))
  if (read === 0) note(empty)
}
