import { bodyOf, byId, make } from "./Elements.js"
import { amount, count, moment } from "./Format.js"
import { Pager } from "./Pager.js"
import { ask, pagePath, userPath } from "./Service.js"

const pageLimit = 10

/** The history of a user in pages, newest first. */
export class HistoryView {
  userId = ""

  /**
   * @param {(userId: string, purchaseId: string) => void} showReceipt
   * @param {(failure: unknown) => void} failed
   */
  constructor(showReceipt, failed) {
    this.showReceipt = showReceipt
    this.pager = new Pager("history", (path) => void this.load(path).catch(failed))
  }

  /** Shows the newest page of a user, and returns the account that the page has. @param {string} userId */
  async show(userId) {
    this.userId = userId
    return this.load(undefined)
  }

  /** @param {string | undefined} path the path of a page; `undefined` for the newest */
  async load(path) {
    const { userId } = this
    const page = await ask(pagePath(`${userPath(userId)}/purchases`, pageLimit, path))
    if (userId !== this.userId) return page
    this.pager.shown(path, page.next)
    const [first] = page.purchases
    const last = page.purchases.at(-1)
    byId("history-note").textContent =
      first === undefined ? "" : `${count(first.number)} to ${count(last.number)} of ${count(page.purchaseCount)}`
    byId("history-empty").hidden = first !== undefined
    byId("history").hidden = first === undefined
    bodyOf("history").replaceChildren(...page.purchases.map((/** @type {any} */ entry) => this.row(userId, entry)))
    return page
  }

  /** @param {string} userId @param {any} entry */
  row(userId, { number, storedAt, productName, quantity, total, runningTotal, purchaseId }) {
    const receipt = make("button", { type: "button", class: "link name id" }, purchaseId)
    receipt.addEventListener("click", () => this.showReceipt(userId, purchaseId))
    return make(
      "tr",
      {},
      make("td", { class: "number" }, count(number)),
      make("td", {}, make("time", { datetime: storedAt }, moment(storedAt))),
      make("td", {}, productName),
      make("td", { class: "number" }, count(quantity)),
      make("td", { class: "number" }, amount(total)),
      make("td", { class: "number" }, amount(runningTotal)),
      make("td", {}, receipt)
    )
  }
}
