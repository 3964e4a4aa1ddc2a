import { byId, make, say } from "./Elements.js"
import { amount, count, moment } from "./Format.js"
import { rights } from "./Rights.js"
import { ask, messageOf } from "./Service.js"

const members = /** @type {const} */ (["userId", "purchaseId", "productName", "productType", "value", "quantity"])
/**
 * The members of a purchase that are numbers in JSON. An input that is not a number is sent as text, and the answer of
 * the service says what is wrong.
 */
const numbers = new Set(["value", "quantity"])
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/
/** The most characters of a payload that are shown. */
const payloadShownMax = 4_000

/**
 * Writes integer cents as a decimal, without a float; an empty text if the value is no integer.
 *
 * @param {unknown} cents
 */
const decimalOf = (cents) => {
  if (!Number.isSafeInteger(cents)) return ""
  const digits = String(cents).replace("-", "").padStart(3, "0")
  return `${Number(cents) < 0 ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** Returns the members of a payload; an empty object if the payload is not JSON. @param {string} payload */
const readable = (payload) => {
  try {
    const { valueCents, ...rest } = JSON.parse(payload)
    return { ...rest, value: decimalOf(valueCents) }
  } catch {
    return {}
  }
}

/**
 * Returns whether this page can replay a rejected record. A rejected reversal cannot be replayed, so a person posts a
 * new reversal.
 *
 * @param {{ payload: string, replay: string }} record
 */
export const canReplay = ({ payload, replay }) =>
  replay !== "applied" && rights.may("rejected:replay") && !("reversalId" in readable(payload))

/** Writes the body of the request for a replay, with the exact digits of its numbers. @param {FormData} form */
const bodyOf = (form) => {
  const texts = members.flatMap((name) => {
    const text = String(form.get(name) ?? "").trim()
    if (text === "") return []
    return `${JSON.stringify(name)}:${numbers.has(name) && number.test(text) ? text : JSON.stringify(text)}`
  })
  return `{${texts.join(",")}}`
}

/** The dialog that corrects a rejected purchase and sends it. */
export class ReplayDialog {
  path = ""
  element = byId("replay", HTMLDialogElement)
  form = byId("replay-form", HTMLFormElement)
  message = byId("replay-message")

  /** @param {() => void} replayed */
  constructor(replayed) {
    this.replayed = replayed
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      void this.send()
    })
  }

  /** @param {number} inputSequence @param {number} index */
  async open(inputSequence, index) {
    this.path = `rejected/${inputSequence}/${index}`
    this.form.reset()
    this.form.hidden = true
    byId("replay-note").textContent = `Message ${count(inputSequence)}, index ${index}`
    byId("replay-payload").textContent = ""
    byId("replay-trail").replaceChildren()
    say(this.message, "Reading")
    if (!this.element.open) this.element.showModal()
    try {
      const record = await ask(this.path)
      const isReversal = "reversalId" in readable(record.payload)
      say(this.message, isReversal ? "A reversal is not sent again. Reverse the purchase anew from its receipt." : "")
      byId("replay-note").textContent += `: ${record.reason}`
      byId("replay-payload").textContent = record.payload.slice(0, payloadShownMax)
      // The first step of a replay settles the purchase, so the form shows the purchase of the newest step.
      const settled = record.trail.at(-1)?.purchase
      const known = settled ?? (record.encoding === "text" ? readable(record.payload) : {})
      for (const name of members) byId(`replay-${name}`, HTMLInputElement).value = String(known[name] ?? "")
      this.show(record)
    } catch (failure) {
      say(this.message, messageOf(failure), "problem")
    }
  }

  async send() {
    say(this.message, "Sending")
    try {
      const headers = { "content-type": "application/json" }
      const record = await ask(`${this.path}/replay`, {
        method: "POST",
        headers,
        body: bodyOf(new FormData(this.form))
      })
      say(this.message, record.replay === "applied" ? "It is applied." : "It is stored, and will be applied.")
      this.show(record)
      this.replayed()
    } catch (failure) {
      say(this.message, messageOf(failure), "problem")
    }
  }

  /** Shows the steps of a replay, and the form unless the purchase is applied. @param {any} record */
  show({ payload, replay, trail }) {
    this.form.hidden = !canReplay({ payload, replay })
    const steps = trail.map((/** @type {any} */ { state, at, by, purchase }) =>
      make(
        "li",
        {},
        `${moment(at)}: ${state}, ${amount(purchase.total)} USD for ${purchase.userId} as ${purchase.purchaseId}${by === undefined ? "" : `, by ${by}`}`
      )
    )
    byId("replay-trail").replaceChildren(...steps)
  }
}
