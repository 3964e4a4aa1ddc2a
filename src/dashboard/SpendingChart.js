import { draw, make } from "./Elements.js"
import { amount, plural } from "./Format.js"

/**
 * @typedef {object} Spending
 * @property {"hour" | "day" | "month"} by
 * @property {string} timeZone
 * @property {string} total
 * @property {number} purchaseCount
 * @property {ReadonlyArray<{ from: string, to: string, total: string, purchaseCount: number }>} windows
 */

const height = 120
const slot = 20
const barWidth = 14
/** The least height of a bar that is not empty. */
const barHeightMin = 2
/** The most labels under the bars. */
const labelsMax = 5

const monthNames = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")

/** Returns the name of a window, from the local time of its beginning in the answer. @param {string} from @param {string} by */
const nameOf = (from, by) => {
  const [, year = "", month = "", day = "", hour = ""] = /^(\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(from) ?? []
  const name = monthNames[Number(month) - 1] ?? ""
  if (by === "hour") return `${hour}:00`
  return by === "day" ? `${Number(day)} ${name}` : `${name} ${year}`
}

/** Returns an amount as a float, for the height of a bar only. @param {string} total */
const size = (total) => Number(total)

/** @param {Spending} spending */
const bars = ({ by, windows }) => {
  const top = Math.max(...windows.map(({ total }) => size(total)), 1)
  return windows.map(({ from, total, purchaseCount }, index) => {
    const isEmpty = purchaseCount === 0
    const high = isEmpty ? 1 : Math.max(barHeightMin, (size(total) / top) * height)
    const box = { x: index * slot + (slot - barWidth) / 2, y: height - high, width: barWidth, height: high, rx: 1.5 }
    const said = `${nameOf(from, by)}: ${amount(total)} USD in ${plural(purchaseCount, "purchase")}`
    return draw("rect", { ...box, class: isEmpty ? "bar none" : "bar" }, draw("title", {}, said))
  })
}

/** Returns the labels of some windows, among them the last window. @param {Spending} spending */
const labels = ({ by, windows }) => {
  const every = Math.ceil(windows.length / labelsMax)
  const names = windows.flatMap(({ from }, index) => {
    const fromEnd = windows.length - 1 - index
    if (fromEnd % every > 0) return []
    const name = make("span", {}, nameOf(from, by))
    // The last label stands at the right edge.
    if (fromEnd > 0) name.style.left = `${((index + 0.5) / windows.length) * 100}%`
    return name
  })
  return make("div", { class: "labels", "aria-hidden": "true" }, ...names)
}

/** @param {Spending} spending */
const table = ({ by, windows }) => {
  const rows = windows
    .filter(({ purchaseCount }) => purchaseCount > 0)
    .toReversed()
    .map(({ from, total, purchaseCount }) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, nameOf(from, by)),
        make("td", { class: "number" }, String(purchaseCount)),
        make("td", { class: "number" }, amount(total))
      )
    )
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "Window"),
    make("th", { scope: "col", class: "number" }, "Purchases"),
    make("th", { scope: "col", class: "number" }, "Amount")
  )
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))
}

/** Draws the amount of each window as a bar chart and as a table. @param {HTMLElement} parent @param {Spending} spending */
export const showSpending = (parent, spending) => {
  const { windows, total, purchaseCount, timeZone, by } = spending
  const wasOpen = parent.querySelector("details")?.open === true
  const said = `${amount(total)} USD in ${plural(purchaseCount, "purchase")} over ${plural(windows.length, by)}, ${timeZone}`
  const box = { viewBox: `0 0 ${windows.length * slot} ${height}`, preserveAspectRatio: "none" }
  const chart = draw("svg", { ...box, role: "img", "aria-label": `Spending: ${said}` }, ...bars(spending))
  const details = make("details", {}, make("summary", {}, "As a table"), table(spending))
  details.open = wasOpen
  parent.replaceChildren(
    make("figure", {}, chart, labels(spending), make("figcaption", { class: "note" }, said), details)
  )
}
