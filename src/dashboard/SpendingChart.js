import { draw, make } from "./Elements.js"
import { amount, compact, entriesText, plural } from "./Format.js"

/**
 * @typedef {object} SpendingWindow
 * @property {string} from
 * @property {string} to
 * @property {string} total
 * @property {number} purchaseCount
 * @property {number} [reversalCount]
 *
 * @typedef {object} Spending
 * @property {"hour" | "day" | "month"} by
 * @property {string} timeZone
 * @property {string} total
 * @property {number} purchaseCount
 * @property {number} [reversalCount]
 * @property {ReadonlyArray<SpendingWindow>} windows
 */

/** The height of the plot in units of the drawing. The page stretches the drawing to the size of the chart. */
const height = 100
const slot = 20
const barWidth = 14
/** The least height of a bar that is not empty, in units of the drawing. */
const barHeightMin = 1.5
/** The most labels under the bars, and the approximate number of lines on the axis of amounts. */
const labelsMax = 4
const linesAimed = 4

const monthNames = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")

/** Returns the short and the full name of a window, from the local time of its beginning. @param {string} from @param {string} by */
const namesOf = (from, by) => {
  const [, year = "", month = "", day = "", hour = ""] = /^(\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(from) ?? []
  const name = monthNames[Number(month) - 1] ?? ""
  const date = `${Number(day)} ${name} ${year}`
  if (by === "hour") return { short: `${hour}:00`, full: `${date}, ${hour}:00` }
  return by === "day"
    ? { short: `${Number(day)} ${name}`, full: date }
    : { short: `${name} ${year}`, full: `${name} ${year}` }
}

/** @param {SpendingWindow} window */
const isEmpty = ({ purchaseCount, reversalCount = 0 }) => purchaseCount + reversalCount === 0

/**
 * Returns the changes of the page's state that show the entries of a window in the history.
 *
 * @param {SpendingWindow} window
 */
const chosen = ({ from, to }) => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  page: undefined
})

/**
 * Returns the amount of a window as a float, which only places parts of the drawing.
 *
 * @param {{ total: string }} window
 */
const size = ({ total }) => Number(total)

/**
 * Returns the amounts at the lines of the axis: multiples of 1, 2 or 5 times a power of ten. The lines enclose all
 * amounts and 0.
 *
 * @param {ReadonlyArray<number>} sizes
 */
export const axisOf = (sizes) => {
  const low = Math.min(0, ...sizes)
  const high = Math.max(0, ...sizes)
  if (low === high) return [0, 1]
  const rough = Math.max((high - low) / linesAimed, 0.25)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough
  const first = Math.floor(low / step)
  const last = Math.max(Math.ceil(high / step), first + 1)
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
}

/**
 * Returns the function that maps an amount to its distance from the top of the plot.
 *
 * @param {ReadonlyArray<number>} axis
 */
const scaleOf = (axis) => {
  const bottom = axis[0] ?? 0
  const top = axis.at(-1) ?? 1
  return (/** @type {number} */ one) => ((top - one) / (top - bottom)) * height
}

/** @param {Spending} spending @param {(one: number) => number} placeOf */
const bars = ({ windows }, placeOf) =>
  windows.map((window, index) => {
    const ends = [placeOf(size(window)), placeOf(0)].sort((one, other) => one - other)
    const [top = 0, bottom = 0] = ends
    const high = isEmpty(window) ? 0 : Math.max(barHeightMin, bottom - top)
    const y = size(window) < 0 ? top : bottom - high
    const kind = high === 0 ? "bar none" : size(window) < 0 ? "bar back" : "bar"
    return draw("rect", { x: index * slot + (slot - barWidth) / 2, y, width: barWidth, height: high, class: kind })
  })

/**
 * Returns labels under the bars with the names of some windows, always including the last window.
 *
 * @param {Spending} spending
 */
const labels = ({ by, windows }) => {
  const every = Math.ceil(windows.length / labelsMax)
  const names = windows.flatMap(({ from }, index) => {
    const fromEnd = windows.length - 1 - index
    if (fromEnd % every > 0) return []
    const name = make("span", {}, namesOf(from, by).short)
    // The last label stands at the right edge.
    if (fromEnd > 0) name.style.left = `${((index + 0.5) / windows.length) * 100}%`
    return name
  })
  return make("div", { class: "labels", "aria-hidden": "true" }, ...names)
}

/**
 * Returns the labels of the lines on the axis of amounts.
 *
 * @param {ReadonlyArray<number>} axis
 * @param {(one: number) => number} placeOf
 */
const amounts = (axis, placeOf) => {
  const texts = axis.map((one) => {
    const text = make("span", {}, compact(one))
    text.style.top = `${placeOf(one)}%`
    return text
  })
  return make("div", { class: "amounts", "aria-hidden": "true" }, ...texts)
}

/** @param {SpendingWindow} window @param {string} by */
const saidOf = (window, by) => `${namesOf(window.from, by).full}: ${amount(window.total)} USD in ${entriesText(window)}`

/** @param {Spending} spending @param {import("./Address.js").Address} address */
const table = ({ by, windows }, address) => {
  const rows = windows
    .filter((window) => !isEmpty(window))
    .toReversed()
    .map((window) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, address.link(chosen(window), {}, namesOf(window.from, by).full)),
        make("td", { class: "number" }, String(window.purchaseCount)),
        make("td", { class: "number" }, amount(window.total))
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

/** Marks the highest bar with its amount. @param {Spending} spending @param {(one: number) => number} placeOf */
const peak = ({ windows }, placeOf) => {
  const sizes = windows.map(size)
  const high = Math.max(...sizes)
  const index = sizes.indexOf(high)
  if (high <= 0) return []
  const text = make("span", { class: "peak", "aria-hidden": "true" }, compact(high))
  const share = (index + 0.5) / windows.length
  text.style.top = `${placeOf(high)}%`
  if (share > 0.93) text.style.right = "0"
  else text.style.left = `${share * 100}%`
  text.classList.toggle("last", share > 0.93)
  return [text]
}

/**
 * Draws the amount of each window as a bar chart and as a table. A click on a bar, or on a line of the table, shows the
 * entries of its window in the history.
 *
 * @param {HTMLElement} parent
 * @param {Spending} spending
 * @param {import("./Address.js").Address} address
 */
export const showSpending = (parent, spending, address) => {
  const { windows, total, timeZone, by } = spending
  const wasOpen = parent.querySelector("details")?.open === true
  const said = `${amount(total)} USD in ${entriesText(spending)} over ${plural(windows.length, by)}, ${timeZone}`
  const axis = axisOf(windows.map(size))
  const placeOf = scaleOf(axis)
  const width = windows.length * slot
  const lines = axis.map((one) => {
    const y = placeOf(one)
    return draw("line", { x1: 0, x2: width, y1: y, y2: y, class: one === 0 ? "zero" : "rule" })
  })
  const box = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" }
  const chart = draw(
    "svg",
    { ...box, role: "img", "aria-label": `Spending: ${said}` },
    ...lines,
    ...bars(spending, placeOf)
  )
  const details = make("details", {}, make("summary", {}, "As a table"), table(spending, address))
  details.open = wasOpen
  const caption = make("figcaption", { class: "note" }, said)
  const nothing = windows.every(isEmpty) ? [make("p", { class: "empty" }, "Nothing was bought in this time.")] : []
  const plot = make("div", { class: "plot" }, chart, ...peak(spending, placeOf), ...nothing)
  /** @param {PointerEvent} event */
  const windowAt = ({ clientX }) => {
    const { left, width } = plot.getBoundingClientRect()
    return windows[Math.floor(((clientX - left) / width) * windows.length)]
  }
  // The caption shows the amount of the window under the pointer.
  plot.addEventListener("pointermove", (event) => {
    const window = windowAt(event)
    if (window !== undefined) caption.textContent = saidOf(window, by)
  })
  plot.addEventListener("pointerleave", () => (caption.textContent = said))
  plot.addEventListener("click", (event) => {
    const window = windowAt(event)
    if (window !== undefined && !isEmpty(window)) address.go(chosen(window))
  })
  parent.replaceChildren(
    make("figure", { class: "chart" }, amounts(axis, placeOf), plot, labels(spending), caption),
    details
  )
}
