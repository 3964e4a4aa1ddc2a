import { make } from "./Elements.js"
import { amount, entriesText, plural } from "./Format.js"
import { chosen, isEmpty, namesOf } from "./SpendingWindow.js"

/** @param {ReadonlyArray<string>} texts */
const headOf = ([first = "", entries = "", spent = ""]) =>
  make(
    "thead",
    {},
    make(
      "tr",
      {},
      make("th", { scope: "col" }, first),
      make("th", { scope: "col" }, entries),
      make("th", { scope: "col", class: "number" }, spent)
    )
  )

/** @param {string | Node} name @param {{ purchaseCount: number, reversalCount?: number, total: string }} part */
const rowOf = (name, part) =>
  make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    make("td", { class: "text" }, entriesText(part)),
    make("td", { class: "number" }, amount(part.total))
  )

/**
 * Makes the table of the windows that have entries, the newest first, with the sum of all windows. A line of the table
 * leads to the entries of its window.
 *
 * @param {import("./SpendingWindow.js").Spending} spending
 * @param {import("./Address.js").Address} address
 */
export const spendingTable = (spending, address) => {
  const { by, windows } = spending
  const rows = windows
    .filter((window) => !isEmpty(window))
    .toReversed()
    .map((window) => {
      const name = { "data-key": `row ${window.from}` }
      return rowOf(address.link(chosen(window), name, namesOf(window.from, by).full), window)
    })
  const table = make(
    "table",
    {},
    headOf([by.replace(/^./, (letter) => letter.toUpperCase()), "Entries", "Amount, USD"]),
    make("tbody", {}, ...rows),
    make("tfoot", {}, rowOf(`All ${plural(windows.length, by)}`, spending))
  )
  return make(
    "div",
    { class: "scroll stream", tabindex: "0", role: "group", "aria-label": "Spending as a table" },
    table
  )
}
