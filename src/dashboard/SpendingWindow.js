import { amount, entriesText } from "./Format.js"

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

const monthNames = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")

/** Returns the short and the full name of a window, from the local time of its beginning. @param {string} from @param {string} by */
export const namesOf = (from, by) => {
  const [, year = "", month = "", day = "", hour = ""] = /^(\d+)-(\d\d)-(\d\d)T(\d\d)/.exec(from) ?? []
  const name = monthNames[Number(month) - 1] ?? ""
  const date = `${Number(day)} ${name} ${year}`
  if (by === "hour") return { short: `${hour}:00`, full: `${date}, ${hour}:00` }
  return by === "day"
    ? { short: `${Number(day)} ${name}`, full: date }
    : { short: `${name} ${year}`, full: `${name} ${year}` }
}

/** Returns whether nothing was bought and nothing was taken back. @param {SpendingWindow} window */
export const isEmpty = ({ purchaseCount, reversalCount = 0 }) => purchaseCount + reversalCount === 0

/**
 * Returns the changes of the page's state that show the entries of a window in the history.
 *
 * @param {SpendingWindow} window
 */
export const chosen = ({ from, to }) => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
  page: undefined
})

/** Writes a window with its exact amount. @param {SpendingWindow} window @param {string} by */
export const saidOf = (window, by) =>
  `${namesOf(window.from, by).full}: ${amount(window.total)} USD in ${entriesText(window)}`
