import { showing } from "./Address.js"
import { bodyOf, byId, make, say, timeOf } from "./Elements.js"
import { Feed } from "./Feed.js"
import { count, moment, plural } from "./Format.js"
import { Pager } from "./Pager.js"
import { measuredText, RuleForm, ruleText } from "./RuleForm.js"
import { rights } from "./Rights.js"
import { ask, messageOf, pagePath, userPath } from "./Service.js"

/**
 * The number of alerts on a page, and the number of alerts in which the page looks for the newest alert of each rule.
 */
const pageLimit = 10
const lookedAtMax = 100
/** The shortest time between two reads of the alerts while new alerts come, in milliseconds. */
const readEveryMilliseconds = 700

/** @typedef {{ ruleId: string, version: number, inWords: string, rule: Record<string, unknown> & { enabled: boolean } }} Listed */

/** The rules and alerts of one user. The view follows the feed of the user's alerts. */
export class RulesView {
  userId = ""
  /** @type {ReadonlyArray<Listed>} */
  rules = []
  /** The time of the newest alert of each rule, among the newest alerts of the user. @type {Map<string, string>} */
  firedAt = new Map()
  /** Whether `firedAt` takes all alerts of the user into account. */
  isWhole = true
  /** @type {Feed | undefined} */
  feed = undefined
  /** @type {number | undefined} */
  timer = undefined
  /** The cursor of the shown page of alerts; `undefined` for the newest alerts. @type {string | undefined} */
  cursor = undefined
  message = byId("rules-message")
  form = new RuleForm(
    () => this.userId,
    () => void this.loadRules().catch((failure) => this.failed(failure))
  )

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    this.pager = new Pager("alerts", (alerts) => address.go({ alerts }))
  }

  /** Shows the rules and the alerts of a user. @param {import("./Address.js").Place} place */
  async show({ user = "", alerts }) {
    this.userId = user
    this.cursor = alerts
    this.form.show(false)
    say(this.message, "")
    const rules = rights.may("rules:read") ? this.loadRules() : undefined
    try {
      await Promise.all([rules, ...(rights.may("alerts:read") ? [this.loadAlerts(), this.look()] : [])])
      this.drawRules()
    } catch (failure) {
      this.failed(failure)
    }
  }

  /** Shows a page of the alerts. @param {import("./Address.js").Place} place */
  turn({ alerts }) {
    this.cursor = alerts
    this.loadAlerts().catch((failure) => this.failed(failure))
  }

  /** Opens the feed of the shown user's alerts. */
  watch() {
    if (!rights.may("alerts:read")) return
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
      const newest = this.cursor === undefined ? this.loadAlerts() : undefined
      Promise.all([newest, this.look()]).then(
        () => this.drawRules(),
        (failure) => this.failed(failure)
      )
    }, readEveryMilliseconds)
  }

  /** Reads the newest alerts of the user, and keeps the time of the newest alert of each rule. */
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
    toggle.disabled = !rights.may("rules:write")
    const removal = rights.may("rules:write") ? [" · ", this.removeButton(listed, index)] : []
    return make(
      "li",
      rule.enabled ? {} : { class: "off" },
      toggle,
      make("p", { class: "sentence" }, sentence),
      make(
        "p",
        { class: "note" },
        make("span", { class: "id name" }, ruleId),
        ` · ${this.lastFired(ruleId)}`,
        ...removal
      )
    )
  }

  /** @param {Listed} listed @param {number} index */
  removeButton(listed, index) {
    const remove = make("button", { type: "button", class: "link", id: `rule-off-${index}` }, "Remove")
    remove.setAttribute("aria-label", `Remove ${listed.ruleId}`)
    remove.addEventListener("click", () => void this.remove(listed))
    return remove
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

  /** Shows the page of the alerts that the address names. */
  async loadAlerts() {
    const { userId, cursor } = this
    const page = await ask(pagePath(`${userPath(userId)}/alerts`, { limit: pageLimit, cursor }))
    if (userId !== this.userId || cursor !== this.cursor) return
    this.pager.shown(cursor, page.next)
    byId("alerts-empty").hidden = page.alerts.length > 0
    byId("alerts").hidden = page.alerts.length === 0
    bodyOf("alerts").replaceChildren(...page.alerts.map((/** @type {any} */ alert) => this.row(alert)))
  }

  /** @param {any} alert */
  row({ alertedAt, ruleId, inWords, purchase, measured }) {
    const { userId, purchaseId, quantity, productName } = purchase
    const buyer = userId === this.userId ? [] : [" by ", make("span", { class: "name" }, userId)]
    const changes = { ...(userId === this.userId ? {} : showing(userId)), receipt: purchaseId }
    const receipt = this.address.link(changes, { class: "name id" }, purchaseId)
    return make(
      "tr",
      {},
      make("td", {}, timeOf(alertedAt)),
      make("td", {}, make("span", { class: "id name", title: inWords }, ruleId)),
      make("td", { class: "number spare" }, measuredText(measured)),
      make("td", { class: "text" }, `${count(quantity)} × `, make("span", { class: "name" }, productName), ...buyer),
      make("td", {}, receipt)
    )
  }

  /** @param {unknown} failure */
  failed(failure) {
    say(this.message, messageOf(failure), "problem")
  }
}
