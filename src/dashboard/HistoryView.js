import { bodyOf, byId, make } from "./Elements.js"
import { amount, count, moment } from "./Format.js"
import { ask, userPath } from "./Service.js"

const pageLimit = 10

/** A user's history, a page at a time, newest first. */
export class HistoryView {
  userId = ""
  /** @type {string | undefined} */
  next = undefined
  isNewest = true
  older = byId("history-older", HTMLButtonElement)
  newest = byId("history-newest", HTMLButtonElement)

  /**
   * @param {(userId: string, purchaseId: string) => void} showReceipt
   * @param {(failure: unknown) => void} failed
   */
  constructor(showReceipt, failed) {
    this.showReceipt = showReceipt
    this.older.addEventListener("click", () => this.load(this.next).catch(failed))
    this.newest.addEventListener("click", () => this.load(undefined).catch(failed))
  }

  /** Shows the newest page of a user, and answers the account that it speaks of. @param {string} userId */
  async show(userId) {
    this.userId = userId
    return this.load(undefined)
  }

  /** @param {string | undefined} path the page after another one; without it the newest */
  async load(path) {
    const { userId } = this
    const page = await ask(path ?? `${userPath(userId)}/purchases?limit=${pageLimit}`)
    if (userId !== this.userId) return page
    this.isNewest = path === undefined
    this.next = page.next
    // A button that is disabled loses the focus, and whoever moves by keyboard their place.
    if (this.next === undefined && document.activeElement === this.older) this.newest.focus()
    this.older.disabled = this.next === undefined
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
