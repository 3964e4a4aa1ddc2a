import { ActionsView } from "./ActionsView.js"
import { showing } from "./Address.js"
import { copies, curlOf } from "./Copy.js"
import { byId, say, timeOf } from "./Elements.js"
import { Feed } from "./Feed.js"
import { amount, entriesText } from "./Format.js"
import { HistoryView } from "./HistoryView.js"
import { ReceiptDialog } from "./ReceiptDialog.js"
import { RulesView } from "./RulesView.js"
import { rights } from "./Rights.js"
import { ask, messageOf, pagePath, userPath } from "./Service.js"
import { showSpending } from "./SpendingChart.js"
import { WebhookView } from "./WebhookView.js"

/** The shortest time between two reads of the shown user while purchases come. */
const readEveryMilliseconds = 1_500

const { timeZone } = Intl.DateTimeFormat().resolvedOptions()

/** The parts of the address that choose a page of the history. */
const partsOfHistory = /** @type {const} */ (["from", "to", "product", "productType", "order", "page"])

/**
 * The total, spending, history, rules and alerts of one user. The view follows the feeds of the account and of its
 * alerts.
 */
export class UserView {
  /** @type {import("./Address.js").Place} */
  place = {}
  /** @type {Feed | undefined} */
  feed = undefined
  /** @type {number | undefined} */
  timer = undefined
  account = byId("user-account")
  /** The number of entries of the shown account, in words. */
  entries = ""
  /** The user and the spending that the chart shows, as text. */
  drawnSpending = ""
  message = byId("user-message")
  input = byId("user-id", HTMLInputElement)
  webhook = new WebhookView()
  /** The buttons that store sample purchases; `undefined` on a page without these buttons. */
  actions =
    document.getElementById("actions") === null
      ? undefined
      : new ActionsView(
          () => this.userId,
          () => this.readSoon()
        )

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    this.history = new HistoryView(address)
    this.rules = new RulesView(address)
    this.receipt = new ReceiptDialog(
      () => address.replace({ receipt: undefined }),
      () => this.readSoon()
    )
    byId("user-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault()
      address.go(showing(this.input.value))
    })
    byId("spending-by").addEventListener("change", () => {
      address.go({ by: document.querySelector("input[name=by]:checked")?.getAttribute("value") ?? "day" })
    })
    copies("copy-user", () => this.userId)
    copies("copy-total", () => curlOf(`${userPath(this.userId)}/total`))
  }

  /**
   * Shows whether the shown account is current, or was read before the service stopped answering.
   *
   * @param {boolean} isCurrent
   */
  showAge(isCurrent) {
    const age = isCurrent ? "exact and current" : "as they were when the service answered last"
    const text = this.entries === "" ? "" : `${this.entries}, ${age}`
    if (byId("user-count").textContent !== text) byId("user-count").textContent = text
  }

  get userId() {
    return this.place.user ?? ""
  }

  /** Shows the state that the address holds. @param {import("./Address.js").Place} place */
  follow(place) {
    const before = this.place
    this.place = place
    const by = document.querySelector(`input[name=by][value=${CSS.escape(place.by ?? "day")}]`)
    if (by instanceof HTMLInputElement) by.checked = true
    const isSame = this.feed !== undefined && place.user === before.user && !this.account.hidden
    if (!isSame) void this.show()
    else if (partsOfHistory.some((name) => place[name] !== before[name])) this.tell(this.history.show(place))
    else if (place.by !== before.by) this.tell(this.readSpending())
    else if (place.alerts !== before.alerts) this.rules.turn(place)
    else if (place.receipt === before.receipt) void this.show()
    void this.receipt.show(this.userId, place.receipt)
  }

  /** Reads and shows the user that the address names. */
  async show() {
    const { place } = this
    this.hide()
    this.input.value = this.userId
    this.account.hidden = true
    byId("user-empty").hidden = place.user !== undefined
    if (this.actions !== undefined) say(this.actions.message, "")
    say(this.message, "")
    if (place.user === undefined) return
    byId("user-loading").hidden = false
    try {
      await this.read()
      if (place !== this.place) return
      this.account.hidden = false
      this.webhook.show(this.userId)
      void this.rules.show(place)
      this.watch()
    } catch (failure) {
      if (place === this.place) this.failed(failure)
    } finally {
      if (place === this.place) byId("user-loading").hidden = true
    }
  }

  /** Reads and shows the user again if the last read of the user failed. */
  retry() {
    if (this.place.user !== undefined && this.account.hidden) void this.show()
  }

  /** Opens the feeds of the shown user, if an account is shown. */
  watch() {
    if (this.place.user === undefined || this.account.hidden || this.feed !== undefined) return
    const feed = new Feed(`${userPath(this.userId)}/feed`, () => {
      if (feed.texts.length > 0 || feed.isOpen) this.readSoon()
      feed.texts = []
    })
    this.feed = feed
    if (rights.has("feed:read")) feed.open()
    this.rules.watch()
  }

  /**
   * Stops all requests of the view, and closes the receipt. The view keeps its state for the time when a person returns
   * to the view.
   */
  leave() {
    this.hide()
    void this.receipt.show(this.userId, undefined)
  }

  /** Stops all requests. */
  hide() {
    this.feed?.close()
    this.feed = undefined
    this.rules.hide()
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Reads the shown user again, after {@link readEveryMilliseconds}. */
  readSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.tell(this.read())
    }, readEveryMilliseconds)
  }

  async read() {
    const { place } = this
    // Only the first page of the history is read again, so that another shown page does not change.
    const isRead = place.page === undefined || this.account.hidden
    const account = isRead ? this.history.show(place) : ask(`${userPath(this.userId)}/total`)
    const [total] = await Promise.all([account, this.readSpending(), this.readNewest()])
    if (total === undefined || place.user !== this.place.user) return
    byId("user-name").textContent = this.userId
    byId("user-total").textContent = amount(total.total)
    this.entries = entriesText(total)
    this.showAge(true)
    byId("user-unknown").hidden = total.known
  }

  /** Shows when the newest entry was stored, which may be on another page of the history. */
  async readNewest() {
    const { user = "" } = this.place
    const [newest] = (await ask(pagePath(`${userPath(user)}/purchases`, { limit: 1 }))).purchases
    if (user !== this.place.user) return
    byId("user-facts").hidden = newest === undefined
    if (newest !== undefined) byId("user-newest").replaceChildren(timeOf(newest.storedAt))
  }

  async readSpending() {
    const { user = "", by = "day" } = this.place
    const spending = await ask(`${userPath(user)}/spending?${new URLSearchParams({ by, timeZone })}`)
    if (user !== this.place.user || by !== this.place.by) return
    // An equal chart is not drawn again, so the bar under the pointer stays.
    const drawn = JSON.stringify([user, spending])
    if (drawn !== this.drawnSpending) showSpending(byId("spending-chart"), spending, this.address)
    this.drawnSpending = drawn
  }

  /** Shows the failure of a read, or removes the message about an earlier failure. @param {Promise<unknown>} read */
  tell(read) {
    read.then(
      () => say(this.message, ""),
      (failure) => this.failed(failure)
    )
  }

  /** @param {unknown} failure */
  failed(failure) {
    say(this.message, messageOf(failure), "problem")
  }
}
