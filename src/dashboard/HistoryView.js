import { copies, curlOf } from "./Copy.js"
import { bodyOf, byId, make, timeOf } from "./Elements.js"
import { amount, count } from "./Format.js"
import { HistoryFilters } from "./HistoryFilters.js"
import { Pager } from "./Pager.js"
import { ask, pagePath, userPath } from "./Service.js"

const pageLimit = 10
/**
 * The most requests that look for the entries of one page. A request with a filter searches only a part of the account.
 */
const requestsMax = 20

/** Returns whether an address asks for a part of the history. @param {import("./Address.js").Place} place */
const isFiltered = ({ from, to, product, productType }) =>
  [from, to, product, productType].some((text) => text !== undefined)

/** The history of a user in pages. */
export class HistoryView {
  /** @type {import("./Address.js").Place} */
  place = {}

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    this.pager = new Pager("history", (page) => address.go({ page }))
    this.filters = new HistoryFilters(address)
    copies("copy-history", () => curlOf(this.path(this.place.page)))
  }

  /** Returns the path of a page of the history. @param {string | undefined} cursor */
  path(cursor) {
    const { user = "", from, to, product, productType, order } = this.place
    return pagePath(`${userPath(user)}/purchases`, {
      limit: pageLimit,
      from,
      to,
      product,
      productType,
      order: order === "oldest" ? order : undefined,
      cursor
    })
  }

  /**
   * Shows a page, and returns the account that the page has. Returns `undefined` if the person has asked for another
   * page meanwhile.
   *
   * @param {import("./Address.js").Place} place
   */
  async show(place) {
    this.place = place
    this.filters.show(place)
    const isOldest = place.order === "oldest"
    this.pager.name(isOldest ? "Oldest" : "Newest", isOldest ? "Newer" : "Older")
    let cursor = place.page
    /** @type {Array<any>} */
    const entries = []
    /** @type {any} */
    let page
    for (let request = 0; request < requestsMax && entries.length < pageLimit; request += 1) {
      page = await ask(this.path(cursor))
      if (place !== this.place) return undefined
      entries.push(...page.purchases)
      if (page.next === undefined) break
      cursor = new URL(page.next, location.href).searchParams.get("cursor") ?? undefined
      if (request > 0) byId("history-note").textContent = `${count(entries.length)} found, searching`
    }
    this.pager.shown(place.page, page.next)
    this.draw(entries, page)
    return page
  }

  /** @param {ReadonlyArray<any>} entries @param {any} page */
  draw(entries, { purchaseCount, reversalCount = 0, next }) {
    const filtered = isFiltered(this.place)
    const [first] = entries
    const range = first === undefined ? "" : `${count(first.number)} to ${count(entries.at(-1).number)}`
    const all = filtered ? ", filtered" : ` of ${count(purchaseCount + reversalCount)}`
    byId("history-note").textContent = first === undefined ? "" : range + all
    const none = filtered ? "No entry fits the filters." : "No purchase of this user was applied."
    byId("history-empty").textContent =
      next === undefined ? none : "No entry was found so far. The button of the next page goes on with the search."
    byId("history-empty").hidden = first !== undefined
    byId("history").hidden = first === undefined
    // An account without entries has nothing to choose from.
    const isBare = purchaseCount + reversalCount === 0
    byId("filters").hidden = isBare
    byId("copy-history").hidden = isBare
    bodyOf("history").replaceChildren(...entries.map((entry) => this.row(entry)))
  }

  /** @param {any} entry */
  row(entry) {
    const { number, storedAt, productName, quantity, total, runningTotal, purchaseId, reversalId, reason } = entry
    const isBack = entry.kind === "reversal"
    const why = isBack
      ? [" ", make("span", { class: "tag" }, "Reversal"), make("span", { class: "since" }, reason)]
      : []
    const title = isBack ? { title: `Reversal of ${purchaseId}` } : { title: purchaseId }
    return make(
      "tr",
      isBack ? { class: "back" } : {},
      make("td", { class: "number spare" }, count(number)),
      make("td", {}, timeOf(storedAt)),
      make("td", { class: "text" }, productName, ...why),
      make("td", { class: "number spare" }, isBack ? `-${count(quantity)}` : count(quantity)),
      make("td", { class: "number" }, amount(total)),
      make("td", { class: "number spare" }, amount(runningTotal)),
      make(
        "td",
        {},
        this.address.link({ receipt: purchaseId }, { class: "name id", ...title }, reversalId ?? purchaseId)
      )
    )
  }
}
