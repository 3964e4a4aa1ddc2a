import { bodyOf, byId, make, say } from "./Elements.js"
import { Feed } from "./Feed.js"
import { count, moment, plural } from "./Format.js"
import { Pager } from "./Pager.js"
import { measuredText, RuleForm, ruleText } from "./RuleForm.js"
import { ask, messageOf, pagePath, userPath } from "./Service.js"

/** The number of alerts on a page, and the number of newest alerts that say when a rule fired last. */
const pageLimit = 10
const lookedAtMax = 100
/** The shortest time between two reads while alerts come. */
const readEveryMilliseconds = 700

/** @typedef {{ ruleId: string, version: number, inWords: string, rule: Record<string, unknown> & { enabled: boolean } }} Listed */

/** The rules and alerts of one user. The alerts follow their feed. */
export class RulesView {
  userId = ""
  /** @type {ReadonlyArray<Listed>} */
  rules = []
  /** When each rule fired last, of the newest alerts. @type {Map<string, string>} */
  firedAt = new Map()
  /** Whether all alerts of the user were looked at. */
  isWhole = true
  /** @type {Feed | undefined} */
  feed = undefined
  /** @type {number | undefined} */
  timer = undefined
  message = byId("rules-message")
  pager = new Pager("alerts", (path) => void this.loadAlerts(path).catch((failure) => this.failed(failure)))
  form = new RuleForm(
    () => this.userId,
    () => void this.loadRules().catch((failure) => this.failed(failure))
  )

  /** @param {(userId: string, purchaseId: string) => void} showReceipt */
  constructor(showReceipt) {
    this.showReceipt = showReceipt
  }

  /** Shows the rules and the newest alerts of a user. @param {string} userId */
  async show(userId) {
    this.userId = userId
    this.form.show(false)
    say(this.message, "")
    try {
      await Promise.all([this.loadRules(), this.loadAlerts(undefined), this.look()])
      this.drawRules()
    } catch (failure) {
      this.failed(failure)
    }
  }

  /** Follows the alerts of the shown user. */
  watch() {
    const feed = new Feed(`${userPath(this.userId)}/alerts/feed`, () => {
      if (feed.texts.length > 0) this.readSoon()
      feed.texts = []
    })
    this.feed = feed
    feed.open()
  }

  hide() {
    this.feed?.close()
    this.form.stop()
    clearTimeout(this.timer)
    this.timer = undefined
  }

  readSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      const newest = this.pager.isNewest ? this.loadAlerts(undefined) : undefined
      Promise.all([newest, this.look()]).then(
        () => this.drawRules(),
        (failure) => this.failed(failure)
      )
    }, readEveryMilliseconds)
  }

  /** Reads when each rule fired last. */
  async look() {
    const { userId } = this
    const { alerts, next } = await ask(`${userPath(userId)}/alerts?limit=${lookedAtMax}`)
    if (userId !== this.userId) return
    this.isWhole = next === undefined
    this.firedAt = new Map(alerts.toReversed().map((/** @type {any} */ one) => [one.ruleId, one.alertedAt]))
  }

  async loadRules() {
    const { userId } = this
    const { rules } = await ask(`${userPath(userId)}/rules`)
    if (userId !== this.userId) return
    this.rules = rules
    this.drawRules()
  }

  drawRules() {
    const on = this.rules.filter(({ rule }) => rule.enabled).length
    byId("rules-note").textContent =
      this.rules.length === 0 ? "" : `${plural(this.rules.length, "rule")}, ${count(on)} switched on`
    byId("rules-empty").hidden = this.rules.length > 0
    const focused = document.activeElement?.id ?? ""
    byId("rules").replaceChildren(...this.rules.map((listed, index) => this.item(listed, index)))
    // Drawing the list again must not take the focus from a keyboard user.
    if (focused.startsWith("rule-on-") || focused.startsWith("rule-off-")) document.getElementById(focused)?.focus()
  }

  /** @param {string} ruleId */
  lastFired(ruleId) {
    const firedAt = this.firedAt.get(ruleId)
    if (firedAt === undefined) return this.isWhole ? "has not fired" : `not among the newest ${lookedAtMax} alerts`
    return `last fired ${moment(firedAt)}`
  }

  /** @param {Listed} listed @param {number} index */
  item(listed, index) {
    const { ruleId, inWords, rule } = listed
    const sentence = inWords.replace(" The rule is switched off.", "")
    const attributes = { type: "checkbox", role: "switch", id: `rule-on-${index}`, class: "switch" }
    const toggle = make("input", rule.enabled ? { ...attributes, checked: "" } : attributes)
    toggle.setAttribute("aria-label", `${ruleId} is switched on`)
    toggle.addEventListener("change", () => void this.enable(listed, toggle.checked))
    const remove = make("button", { type: "button", class: "link", id: `rule-off-${index}` }, "Remove")
    remove.setAttribute("aria-label", `Remove ${ruleId}`)
    remove.addEventListener("click", () => void this.remove(listed))
    return make(
      "li",
      rule.enabled ? {} : { class: "off" },
      toggle,
      make("p", { class: "sentence" }, sentence),
      make(
        "p",
        { class: "note" },
        make("span", { class: "id name" }, ruleId),
        ` · ${this.lastFired(ruleId)} · `,
        remove
      )
    )
  }

  /** @param {Listed} listed @param {boolean} enabled */
  async enable({ ruleId, version, rule }, enabled) {
    await this.change(ruleId, {
      method: "PUT",
      headers: { "content-type": "application/json", "if-match": `"${version}"` },
      body: ruleText({ ...rule, enabled })
    })
  }

  /** @param {Listed} listed */
  async remove({ ruleId, version }) {
    await this.change(ruleId, { method: "DELETE", headers: { "if-match": `"${version}"` } })
  }

  /** @param {string} ruleId @param {RequestInit} init */
  async change(ruleId, init) {
    say(this.message, "")
    try {
      await ask(`${userPath(this.userId)}/rules/${encodeURIComponent(ruleId)}`, init)
    } catch (failure) {
      this.failed(failure)
    }
    await this.loadRules().catch((failure) => this.failed(failure))
  }

  /** @param {string | undefined} path the path of a page; `undefined` for the newest */
  async loadAlerts(path) {
    const { userId } = this
    const page = await ask(pagePath(`${userPath(userId)}/alerts`, pageLimit, path))
    if (userId !== this.userId) return
    this.pager.shown(path, page.next)
    byId("alerts-empty").hidden = page.alerts.length > 0
    byId("alerts").hidden = page.alerts.length === 0
    bodyOf("alerts").replaceChildren(...page.alerts.map((/** @type {any} */ alert) => this.row(alert)))
  }

  /** @param {any} alert */
  row({ alertedAt, ruleId, inWords, purchase, measured }) {
    const { userId, purchaseId, quantity, productName } = purchase
    const buyer = userId === this.userId ? [] : [" by ", make("span", { class: "name" }, userId)]
    const receipt = make("button", { type: "button", class: "link name id" }, purchaseId)
    receipt.addEventListener("click", () => this.showReceipt(userId, purchaseId))
    return make(
      "tr",
      {},
      make("td", {}, make("time", { datetime: alertedAt }, moment(alertedAt))),
      make("td", {}, make("span", { class: "id name", title: inWords }, ruleId)),
      make("td", { class: "number" }, measuredText(measured)),
      make("td", {}, `${count(quantity)} × `, make("span", { class: "name" }, productName), ...buyer),
      make("td", {}, receipt)
    )
  }

  /** @param {unknown} failure */
  failed(failure) {
    say(this.message, messageOf(failure), "problem")
  }
}
