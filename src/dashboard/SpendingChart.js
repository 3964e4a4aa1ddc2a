import { make } from "./Elements.js"
import { amount, compact, entriesText, plural } from "./Format.js"
import { spendingTable } from "./SpendingTable.js"
import { chosen, isEmpty, namesOf, saidOf } from "./SpendingWindow.js"

/**
 * @typedef {import("./SpendingWindow.js").Spending} Spending
 *
 * @typedef {import("./SpendingWindow.js").SpendingWindow} SpendingWindow
 */

/** The most labels under the bars, and the approximate number of lines on the axis of amounts. */
const labelsMax = 8
const linesAimed = 4
/** The share of the plot at each side in which the amount of the highest bar is moved towards the middle of the plot. */
const sideShare = 0.25

/**
 * Returns the amount of a window as a float, which only places parts of the plot.
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
 * Returns the function that maps an amount to its distance from the top of the plot, in percent of the plot's height.
 *
 * @param {ReadonlyArray<number>} axis
 */
const scaleOf = (axis) => {
  const bottom = axis[0] ?? 0
  const top = axis.at(-1) ?? 1
  return (/** @type {number} */ one) => ((top - one) / (top - bottom)) * 100
}

/** @param {SpendingWindow} window @param {(one: number) => number} placeOf */
const barOf = (window, placeOf) => {
  const [zero, end] = [placeOf(0), placeOf(size(window))]
  const isBack = end > zero
  const bar = make("span", { class: isBack ? "bar back" : "bar" })
  bar.style.height = `${Math.abs(end - zero)}%`
  if (isBack) bar.style.top = `${zero}%`
  else bar.style.bottom = `${100 - zero}%`
  return bar
}

/**
 * Makes the list of the bars, with a link for each window that has entries. The name of a link is its window with the
 * exact amount. A click on a link shows the entries of its window in the history.
 *
 * @param {Spending} spending
 * @param {string} said
 * @param {(one: number) => number} placeOf
 * @param {import("./Address.js").Address} address
 */
const bars = ({ by, windows }, said, placeOf, address) => {
  const items = windows.map((window) => {
    if (isEmpty(window)) return make("li", { "aria-hidden": "true" })
    const name = { "aria-label": saidOf(window, by), tabindex: "-1", "data-key": `bar ${window.from}` }
    const link = address.link(chosen(window), name, "")
    link.append(barOf(window, placeOf))
    return make("li", {}, link)
  })
  // The key Tab moves the focus to one bar, and the arrow keys move the focus from bar to bar.
  items.findLast((item) => item.firstElementChild !== null)?.firstElementChild?.setAttribute("tabindex", "0")
  return make("ol", { "aria-label": `Spending: ${said}` }, ...items)
}

/**
 * Gives the focus to a part of the chart. If the part is a bar, the key Tab comes back to this bar.
 *
 * @param {HTMLElement} part
 */
const focusOn = (part) => {
  for (const bar of part.closest("ol")?.querySelectorAll("a") ?? []) bar.tabIndex = bar === part ? 0 : -1
  part.focus()
}

/** Moves the focus from bar to bar by the arrow keys, Home and End. @param {HTMLElement} list */
const followKeys = (list) => {
  list.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")]
    const at = links.findIndex((link) => link === document.activeElement)
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: links.length - 1 }[event.key]
    const link = next === undefined ? undefined : links[next]
    if (link === undefined) return
    event.preventDefault()
    focusOn(link)
  })
}

/**
 * Shows in the caption the amount of the window that is under the pointer or has the focus. Without such a window the
 * caption shows the amount of the whole time.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} caption
 * @param {Spending} spending
 */
const sayWindows = (list, caption, { by, windows }) => {
  const said = caption.textContent
  /** @param {Event} event */
  const tell = ({ target }) => {
    const item = target instanceof Element ? target.closest("li") : null
    const window = item === null ? undefined : windows[[...list.children].indexOf(item)]
    caption.textContent = window === undefined ? said : saidOf(window, by)
  }
  const rest = () => (caption.textContent = said)
  list.addEventListener("pointerover", tell)
  list.addEventListener("focusin", tell)
  list.addEventListener("pointerleave", rest)
  list.addEventListener("focusout", rest)
}

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

/** Returns the labels of the lines on the axis of amounts. @param {ReadonlyArray<number>} axis @param {(one: number) => number} placeOf */
const amounts = (axis, placeOf) => {
  const texts = axis.map((one) => {
    const text = make("span", {}, compact(one))
    text.style.top = `${placeOf(one)}%`
    return text
  })
  return make("div", { class: "amounts", "aria-hidden": "true" }, ...texts)
}

/** @param {ReadonlyArray<number>} axis @param {(one: number) => number} placeOf */
const lines = (axis, placeOf) =>
  axis.map((one) => {
    const line = make("span", { class: one === 0 ? "rule zero" : "rule" })
    line.style.top = `${placeOf(one)}%`
    return line
  })

/** Marks the highest bar with its exact amount. @param {Spending} spending @param {(one: number) => number} placeOf */
const peak = ({ windows }, placeOf) => {
  const sizes = windows.map(size)
  const high = Math.max(...sizes)
  const index = sizes.indexOf(high)
  const window = windows[index]
  if (high <= 0 || window === undefined) return []
  const text = make("span", { class: "peak", "aria-hidden": "true" }, amount(window.total))
  const share = (index + 0.5) / windows.length
  // The amount stands above the middle of its bar. Near a side of the plot, the amount is moved to stay inside the plot.
  const before = Math.min(share, sideShare) * 2
  const after = (Math.max(share, 1 - sideShare) - (1 - sideShare)) * 2
  text.style.left = `${share * 100}%`
  text.style.top = `${placeOf(high)}%`
  text.style.translate = `${-(before + after) * 100}% -100%`
  return [text]
}

/**
 * Makes the bars with an axis of amounts beside the bars and an axis of time below the bars.
 *
 * @param {Spending} spending
 * @param {HTMLElement} caption
 * @param {import("./Address.js").Address} address
 */
const plotOf = (spending, caption, address) => {
  const axis = axisOf(spending.windows.map(size))
  const placeOf = scaleOf(axis)
  const list = bars(spending, caption.textContent, placeOf, address)
  followKeys(list)
  sayWindows(list, caption, spending)
  const plot = make("div", { class: "plot" }, ...lines(axis, placeOf), list, ...peak(spending, placeOf))
  return [amounts(axis, placeOf), plot, labels(spending)]
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
  const focused = document.activeElement
  const key = focused instanceof HTMLElement && parent.contains(focused) ? focused.dataset["key"] : undefined
  const said = `${amount(total)} USD in ${entriesText(spending)} over ${plural(windows.length, by)}, ${timeZone}`
  const caption = make("figcaption", { class: "note" }, said)
  const isNothing = windows.every(isEmpty)
  const chart = isNothing
    ? [make("p", { class: "empty" }, "Nothing was bought in this time.")]
    : plotOf(spending, caption, address)
  const summary = make("summary", { "data-key": "table" }, "As a table")
  const details = make("details", {}, summary, spendingTable(spending, address))
  details.open = wasOpen
  details.hidden = isNothing
  parent.replaceChildren(make("figure", { class: isNothing ? "" : "chart" }, ...chart, caption), details)
  // A new drawing of the chart must not take the focus from a keyboard user.
  const part = [...parent.querySelectorAll("a, summary")].find(
    (one) => key !== undefined && one.getAttribute("data-key") === key
  )
  if (part instanceof HTMLElement) focusOn(part)
}
