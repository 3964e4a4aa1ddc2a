import { copies, curlOf } from "./Copy.js"
import { byId, make, say } from "./Elements.js"
import { amount, count, moment, plural, times } from "./Format.js"
import { ReversalForm } from "./ReversalForm.js"
import { ask, messageOf, purchasePath } from "./Service.js"

/** @param {any} receipt @returns {ReadonlyArray<readonly [string, string]>} */
const membersOf = (receipt) => [
  ["Purchase", receipt.purchaseId],
  ["User", receipt.userId],
  ["Product", `${receipt.productName} (${receipt.productType})`],
  ["Amount", `${count(receipt.quantity)} × ${amount(receipt.value)} = ${amount(receipt.total)} ${receipt.currency}`],
  ...(receipt.reversed === 0
    ? []
    : [/** @type {const} */ (["Taken back", `${plural(receipt.reversed, "piece")}, ${count(receipt.left)} left`])]),
  ["Total then", `${amount(receipt.runningTotal)} ${receipt.currency}, as purchase ${count(receipt.number)}`],
  ["Stored", moment(receipt.storedAt)],
  ["Applied", `${moment(receipt.appliedAt)}, ${Date.parse(receipt.appliedAt) - Date.parse(receipt.storedAt)} ms later`],
  ["Came again", times(receipt.repeatsDropped, "dropped")],
  ["With other content", times(receipt.conflictsRejected, "rejected")],
  ["Places", `input ${count(receipt.inputSequence)}, ledger ${count(receipt.ledgerSequence)}`]
]

/** Makes the list item of one reversal of a purchase. @param {any} reversal */
const reversalItem = ({ reversalId, quantity, amount: taken, reason, storedAt }) =>
  make(
    "li",
    {},
    `${moment(storedAt)}: ${plural(quantity, "piece")}, ${amount(taken)} USD. ${reason} `,
    make("span", { class: "id name" }, reversalId)
  )

/** The dialog with the receipt of a purchase. */
export class ReceiptDialog {
  element = byId("receipt", HTMLDialogElement)
  members = byId("receipt-members")
  reversals = byId("receipt-reversals")
  message = byId("receipt-message")
  userId = ""
  /** The id of the shown purchase; `undefined` while the dialog is closed. @type {string | undefined} */
  purchaseId = undefined

  /**
   * @param {() => void} closed called when the person closes the dialog
   * @param {() => void} reversed called when a reversal is stored
   */
  constructor(closed, reversed) {
    this.reversal = new ReversalForm(() => {
      reversed()
      void this.read()
    })
    this.element.addEventListener("close", () => {
      if (this.purchaseId !== undefined) closed()
    })
    copies("copy-receipt", () => this.purchaseId ?? "")
    copies("copy-receipt-curl", () => curlOf(purchasePath(this.userId, this.purchaseId ?? "")))
  }

  /**
   * Shows the receipt of a purchase, or closes the dialog if `purchaseId` is `undefined`.
   *
   * @param {string} userId
   * @param {string | undefined} purchaseId
   */
  async show(userId, purchaseId) {
    if (purchaseId === this.purchaseId && userId === this.userId) return
    this.userId = userId
    this.purchaseId = purchaseId
    if (purchaseId === undefined) return this.element.close()
    this.members.replaceChildren()
    this.reversals.replaceChildren()
    this.reversal.show(undefined)
    say(this.message, "Reading")
    if (!this.element.open) this.element.showModal()
    await this.read()
  }

  /** Reads the receipt of the shown purchase. The message about a reversal that was just sent stays in the dialog. */
  async read() {
    const { userId, purchaseId } = this
    if (purchaseId === undefined) return
    try {
      const receipt = await ask(purchasePath(userId, purchaseId))
      if (purchaseId !== this.purchaseId) return
      say(this.message, "")
      this.reversal.receipt = receipt
      this.reversal.step("closed")
      this.reversals.replaceChildren(...receipt.reversals.map(reversalItem))
      this.members.replaceChildren(
        ...membersOf(receipt).map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))
      )
    } catch (failure) {
      if (purchaseId === this.purchaseId) say(this.message, messageOf(failure), "problem")
    }
  }
}
