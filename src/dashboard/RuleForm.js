import { backTest } from "./BackTest.js"
import { byId, say } from "./Elements.js"
import { count, plural } from "./Format.js"
import { ask, messageOf, userPath } from "./Service.js"

/** The time between the last change of the form and the test of the rule, in milliseconds. */
const testAfterMilliseconds = 400

const { timeZone } = Intl.DateTimeFormat().resolvedOptions()

/** Returns a rule as JSON, with the exact digits of its threshold. @param {Record<string, unknown>} rule */
export const ruleText = ({ threshold, ...rest }) =>
  `${JSON.stringify(rest).slice(0, -1)},"threshold":${String(threshold)}}`

/** @param {string} within */
const windowOf = (within) => {
  if (within === "") return {}
  return { within: within.startsWith("P") ? within : { by: within, timeZone } }
}

/** The form of a new rule. The form says the rule in words, and how often the rule would have fired. */
export class RuleForm {
  form = byId("rule-form", HTMLFormElement)
  toggle = byId("rule-new", HTMLButtonElement)
  words = byId("rule-words")
  fired = byId("rule-fired")
  refused = byId("rule-refused")
  /** @type {AbortController | undefined} */
  testing = undefined
  /** @type {number | undefined} */
  timer = undefined

  /** @param {() => string} userId @param {() => void} stored called when a rule is stored */
  constructor(userId, stored) {
    this.userId = userId
    this.stored = stored
    this.toggle.addEventListener("click", () => this.show(this.form.hasAttribute("hidden")))
    this.form.addEventListener("input", ({ target }) => {
      say(this.refused, "")
      // The name of a rule does not change what the rule says.
      if (target !== byId("rule-id")) this.changed()
    })
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      void this.save()
    })
  }

  /** @param {boolean} isShown */
  show(isShown) {
    this.form.hidden = !isShown
    this.toggle.setAttribute("aria-expanded", String(isShown))
    say(this.refused, "")
    if (isShown) {
      this.changed()
      byId("rule-id").focus()
    } else this.stop()
  }

  /** Ends the running back-test of the rule. */
  stop() {
    clearTimeout(this.timer)
    this.testing?.abort()
  }

  /** @param {string} id */
  value(id) {
    const field = byId(id)
    return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value.trim() : ""
  }

  /** Returns the rule that the person has put into the form. */
  rule() {
    const isRunning = this.isRunning()
    const scope = this.value("rule-scope")
    return {
      who: this.value("rule-who"),
      ...(scope === "" ? {} : { [scope]: this.value("rule-thing") }),
      measure: this.value("rule-measure"),
      is: this.value("rule-is"),
      ...(isRunning ? windowOf(this.value("rule-within")) : {}),
      threshold: this.value("rule-threshold")
    }
  }

  isRunning() {
    return ["spent", "count"].includes(this.value("rule-measure"))
  }

  /** Shows the fields that the rule needs, and tests the rule after a short wait. */
  changed() {
    const isRunning = this.isRunning()
    const comparison = byId("rule-is", HTMLSelectElement)
    byId("rule-crosses", HTMLOptionElement).disabled = !isRunning
    if (!isRunning && comparison.value === "crosses") comparison.value = "greater-or-equal"
    for (const one of this.form.querySelectorAll("[data-of=running]")) one.toggleAttribute("hidden", !isRunning)
    const thing = byId("rule-thing", HTMLInputElement)
    const hasThing = this.value("rule-scope") !== ""
    thing.required = hasThing
    for (const one of this.form.querySelectorAll("[data-of=thing]")) one.toggleAttribute("hidden", !hasThing)
    this.stop()
    this.timer = setTimeout(() => void this.test(), testAfterMilliseconds)
  }

  async test() {
    const threshold = byId("rule-threshold", HTMLInputElement)
    const thing = byId("rule-thing", HTMLInputElement)
    if (!threshold.validity.valid || !thing.validity.valid) {
      say(this.words, "")
      say(this.fired, "Fill in the rule to see how often it would have fired.")
      return
    }
    const testing = new AbortController()
    this.testing = testing
    say(this.fired, "Testing on the purchases of 30 days")
    try {
      await backTest(`${userPath(this.userId())}/backtest`, ruleText(this.rule()), testing.signal, (tested) => {
        say(this.words, tested.inWords)
        const soFar = tested.isComplete ? "" : " so far"
        const times = tested.matches === 1 ? "once" : `${count(tested.matches)} times`
        say(this.fired, `It would have fired ${times} in 30 days${soFar}, on ${plural(tested.purchases, "purchase")}.`)
      })
    } catch (failure) {
      if (testing.signal.aborted) return
      say(this.words, "")
      say(this.fired, messageOf(failure), "problem")
    }
  }

  async save() {
    const ruleId = this.value("rule-id")
    const path = `${userPath(this.userId())}/rules/${encodeURIComponent(ruleId)}`
    // A new rule does not replace another rule of the same name.
    const headers = { "content-type": "application/json", "if-none-match": "*" }
    try {
      await ask(path, { method: "PUT", headers, body: ruleText(this.rule()) })
      byId("rule-id", HTMLInputElement).value = ""
      this.show(false)
      this.toggle.focus()
      this.stored()
    } catch (failure) {
      say(this.refused, messageOf(failure), "problem")
    }
  }
}

/** Writes the values that a rule measured. @param {{ before?: string | number, after: string | number }} measured */
export const measuredText = ({ before, after }) => {
  const text = (/** @type {string | number} */ value) => (typeof value === "number" ? count(value) : value)
  return before === undefined ? text(after) : `${text(before)} → ${text(after)}`
}
