import { byId, say } from "./Elements.js"
import { amount, plural } from "./Format.js"
import { amountOf, newId } from "./Reversal.js"
import { rights } from "./Rights.js"
import { ask, messageOf, purchasePath } from "./Service.js"

/** The longest wait of the service until a reversal is applied, in seconds. */
const waitSeconds = 5

/** @typedef {{ userId: string, purchaseId: string, productName: string, value: string, left: number }} Receipt */

/**
 * The form that takes back pieces of a purchase. A person fills the form in, and then looks at the whole reversal
 * before the page sends the reversal.
 */
export class ReversalForm {
  open = byId("reversal-open", HTMLButtonElement)
  form = byId("reversal-form", HTMLFormElement)
  look = byId("reversal-look")
  quantity = byId("reversal-quantity", HTMLInputElement)
  reason = byId("reversal-reason", HTMLInputElement)
  message = byId("reversal-message")
  send = byId("reversal-send", HTMLButtonElement)
  /** @type {Receipt | undefined} */
  receipt = undefined
  /** The id of the reversal. The id stays when the same reversal is sent again, so the reversal counts once. */
  reversalId = ""

  /** @param {() => void} sent called when a reversal is stored */
  constructor(sent) {
    this.sent = sent
    this.open.addEventListener("click", () => this.fillIn())
    byId("reversal-cancel").addEventListener("click", () => this.show(this.receipt))
    byId("reversal-back").addEventListener("click", () => this.step("form"))
    this.form.addEventListener("input", () => (this.reversalId = newId()))
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.lookAgain()
    })
    this.send.addEventListener("click", () => void this.sendIt())
  }

  /** Shows one of the steps of the form. @param {"closed" | "form" | "look"} step */
  step(step) {
    this.open.hidden = step !== "closed" || this.receipt === undefined || this.receipt.left === 0
    this.form.hidden = step !== "form"
    this.look.hidden = step !== "look"
    if (step === "form") this.quantity.focus()
    if (step === "look") this.send.focus()
  }

  /** Shows the button that begins a reversal, if the purchase has pieces left. @param {Receipt | undefined} receipt */
  show(receipt) {
    this.receipt = receipt
    say(this.message, "")
    this.step("closed")
  }

  fillIn() {
    const { receipt } = this
    if (receipt === undefined || !rights.has("purchases:write")) return
    this.reversalId = newId()
    this.form.reset()
    this.quantity.max = String(receipt.left)
    this.quantity.value = String(receipt.left)
    byId("reversal-left").textContent = `of ${plural(receipt.left, "piece")} left`
    say(this.message, "")
    this.step("form")
  }

  /** Shows in words the reversal that the page would send. */
  lookAgain() {
    const { receipt } = this
    if (receipt === undefined) return
    const { value, left, productName, userId, purchaseId } = receipt
    const pieces = this.quantity.valueAsNumber
    const all = pieces === left ? "all that is left" : `${left - pieces} then left`
    byId("reversal-sentence").textContent =
      `Take back ${plural(pieces, "piece")} of ${productName} (${all}), ${amount(amountOf(value, pieces))} USD.`
    byId("reversal-whose").textContent =
      `From the account of ${userId}, purchase ${purchaseId}. Reason: ${this.reason.value.trim()}`
    say(this.message, "")
    this.step("look")
  }

  async sendIt() {
    const { receipt } = this
    if (receipt === undefined) return
    const { reversalId } = this
    this.send.disabled = true
    say(this.message, "Sending")
    const quantity = this.quantity.valueAsNumber
    const body = JSON.stringify({ reversalId, quantity, reason: this.reason.value.trim() })
    const headers = { "content-type": "application/json", prefer: `wait=${waitSeconds}` }
    try {
      const path = `${purchasePath(receipt.userId, receipt.purchaseId)}/reversals`
      const { status, runningTotal } = await ask(path, { method: "POST", headers, body })
      this.receipt = undefined
      this.step("closed")
      const applied = status === "applied" ? `It is reversed. The total is ${amount(runningTotal)} USD.` : undefined
      say(this.message, applied ?? "The reversal is stored, and will be applied.")
      this.sent()
    } catch (failure) {
      say(this.message, messageOf(failure), "problem")
    } finally {
      this.send.disabled = false
    }
  }
}
