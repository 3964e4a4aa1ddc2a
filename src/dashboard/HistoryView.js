import { copies, curlOf } from "./Copy.js"
import { bodyOf, byId, make, timeOf } from "./Elements.js"
import { amount, count } from "./Format.js"
import { Pager } from "./Pager.js"
import { ask, pagePath, userPath } from "./Service.js"

const pageLimit = 10

/** The history of a user in pages. */
export class HistoryView {
  /** @type {import("./Address.js").Place} */
  place = {}

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    this.pager = new Pager("history", (page) => address.go({ page }))
    copies("copy-history", () => curlOf(this.path()))
  }

  /** Returns the path of the shown page. */
  path() {
    const { user = "", page: cursor } = this.place
    return pagePath(`${userPath(user)}/purchases`, { limit: pageLimit, cursor })
  }

  /**
   * Shows a page, and returns the account that the page has. Returns `undefined` if another page was asked for meanwhile.
   *
   * @param {import("./Address.js").Place} place
   */
  async show(place) {
    this.place = place
    const page = await ask(this.path())
    if (place !== this.place) return undefined
    this.pager.shown(place.page, page.next)
    const [first] = page.purchases
    const last = page.purchases.at(-1)
    byId("history-note").textContent =
      first === undefined ? "" : `${count(first.number)} to ${count(last.number)} of ${count(page.purchaseCount)}`
    byId("history-empty").hidden = first !== undefined
    byId("history").hidden = first === undefined
    bodyOf("history").replaceChildren(...page.purchases.map((/** @type {any} */ entry) => this.row(entry)))
    return page
  }

  /** @param {any} entry */
  row({ number, storedAt, productName, quantity, total, runningTotal, purchaseId }) {
    return make(
      "tr",
      {},
      make("td", { class: "number spare" }, count(number)),
      make("td", {}, timeOf(storedAt)),
      make("td", { class: "text" }, productName),
      make("td", { class: "number spare" }, count(quantity)),
      make("td", { class: "number" }, amount(total)),
      make("td", { class: "number spare" }, amount(runningTotal)),
      make("td", {}, this.address.link({ receipt: purchaseId }, { class: "name id" }, purchaseId))
    )
  }
}
