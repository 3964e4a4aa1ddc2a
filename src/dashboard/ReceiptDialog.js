import { byId, make, say } from "./Elements.js"
import { amount, count, moment, times } from "./Format.js"
import { ask, messageOf, userPath } from "./Service.js"

/** @param {any} receipt @returns {ReadonlyArray<readonly [string, string]>} */
const membersOf = (receipt) => [
  ["Purchase", receipt.purchaseId],
  ["User", receipt.userId],
  ["Product", `${receipt.productName} (${receipt.productType})`],
  ["Amount", `${count(receipt.quantity)} × ${amount(receipt.value)} = ${amount(receipt.total)} ${receipt.currency}`],
  ["Total then", `${amount(receipt.runningTotal)} ${receipt.currency}, as purchase ${count(receipt.number)}`],
  ["Stored", moment(receipt.storedAt)],
  ["Applied", `${moment(receipt.appliedAt)}, ${Date.parse(receipt.appliedAt) - Date.parse(receipt.storedAt)} ms later`],
  ["Came again", times(receipt.repeatsDropped, "dropped")],
  ["With other content", times(receipt.conflictsRejected, "rejected")],
  ["Places", `input ${count(receipt.inputSequence)}, ledger ${count(receipt.ledgerSequence)}`]
]

/** Opens the receipt of a purchase. @param {string} userId @param {string} purchaseId */
export const showReceipt = async (userId, purchaseId) => {
  const dialog = byId("receipt", HTMLDialogElement)
  const members = byId("receipt-members")
  const message = byId("receipt-message")
  members.replaceChildren()
  say(message, "Reading")
  if (!dialog.open) dialog.showModal()
  try {
    const receipt = await ask(`${userPath(userId)}/purchases/${encodeURIComponent(purchaseId)}`)
    say(message, "")
    members.replaceChildren(
      ...membersOf(receipt).map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))
    )
  } catch (failure) {
    say(message, messageOf(failure), "problem")
  }
}
