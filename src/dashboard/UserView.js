import { ActionsView } from "./ActionsView.js"
import { byId, say } from "./Elements.js"
import { Feed } from "./Feed.js"
import { amount, plural } from "./Format.js"
import { HistoryView } from "./HistoryView.js"
import { showReceipt } from "./ReceiptDialog.js"
import { RulesView } from "./RulesView.js"
import { ask, messageOf, userPath } from "./Service.js"
import { showSpending } from "./SpendingChart.js"

/** The shortest time between two reads of the shown user while purchases come. */
const readEveryMilliseconds = 1_500

const { timeZone } = Intl.DateTimeFormat().resolvedOptions()

/** The total, spending, history, rules and alerts of one user. They follow the feeds of the account and of its alerts. */
export class UserView {
  userId = ""
  /** @type {Feed | undefined} */
  feed = undefined
  /** @type {number | undefined} */
  timer = undefined
  message = byId("user-message")
  input = byId("user-id", HTMLInputElement)
  history = new HistoryView(showReceipt, (failure) => this.failed(failure))
  rules = new RulesView(showReceipt)
  actions = new ActionsView(
    () => this.userId,
    () => this.readSoon()
  )

  constructor() {
    byId("user-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault()
      void this.show(this.input.value)
    })
    byId("spending-by").addEventListener("change", () => {
      this.readSpending().catch((failure) => this.failed(failure))
    })
    const follow = () => {
      const userId = new URLSearchParams(location.hash.slice(1)).get("user")
      if (userId !== null && userId !== this.userId) void this.show(userId)
    }
    window.addEventListener("hashchange", follow)
    follow()
  }

  /** @param {string} userId */
  async show(userId) {
    this.hide()
    this.userId = userId
    this.input.value = userId
    location.hash = String(new URLSearchParams({ user: userId }))
    say(this.message, "Reading")
    say(this.actions.message, "")
    byId("user-empty").hidden = true
    byId("user-account").hidden = true
    try {
      await this.read()
      if (userId !== this.userId) return
      say(this.message, "")
      byId("user-account").hidden = false
      void this.rules.show(userId)
      this.watch()
    } catch (failure) {
      if (userId === this.userId) this.failed(failure)
    }
  }

  /** Follows the account if one is shown. */
  watch() {
    if (this.userId === "" || byId("user-account").hidden) return
    const feed = new Feed(`${userPath(this.userId)}/feed`, () => {
      if (feed.texts.length > 0 || feed.isOpen) this.readSoon()
      feed.texts = []
    })
    this.feed = feed
    feed.open()
    this.rules.watch()
  }

  hide() {
    this.feed?.close()
    this.rules.hide()
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Reads the shown user again, after {@link readEveryMilliseconds}. */
  readSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.read().then(
        () => say(this.message, ""),
        (failure) => this.failed(failure)
      )
    }, readEveryMilliseconds)
  }

  async read() {
    const { userId } = this
    // An older page of the history stays as it is.
    const account =
      this.history.pager.isNewest || this.history.userId !== userId ? this.history.show(userId) : undefined
    const [total] = await Promise.all([account ?? ask(`${userPath(userId)}/total`), this.readSpending()])
    if (userId !== this.userId) return
    byId("user-name").textContent = userId
    byId("user-total").textContent = amount(total.total)
    byId("user-count").textContent = `${plural(total.purchaseCount, "purchase")}, exact and current`
  }

  async readSpending() {
    const { userId } = this
    const by = document.querySelector("input[name=by]:checked")?.getAttribute("value") ?? "day"
    const spending = await ask(`${userPath(userId)}/spending?${new URLSearchParams({ by, timeZone })}`)
    if (userId === this.userId) showSpending(byId("spending-chart"), spending)
  }

  /** @param {unknown} failure */
  failed(failure) {
    say(this.message, messageOf(failure), "problem")
  }
}
