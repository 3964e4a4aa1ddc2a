import type { HistoryEntry, PurchaseReceipt, ReceiptReversal, ReversalReceipt } from "../../src/client/Answers.ts"

/** Replaces control characters, because texts of users may hold commands for a terminal. */
export const plain = (text: string): string => text.replaceAll(/\p{C}/gu, "\uFFFD")

const pad = (text: string | number, width: number): string => String(text).padStart(width)

/** Writes a count with a comma at each thousand. */
export const counted = (count: number): string => count.toLocaleString("en-US")

/** Writes a time of an answer with its date and its zone, to the second. */
export const timeText = (instant: string): string => `${instant.slice(0, 19).replace("T", " ")} UTC`

/** Quotes a word for a shell if the word needs quotes. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** Returns the command with these words, for the shell from which this process was called. */
export const commandText = (words: ReadonlyArray<string>): string =>
  [process.env["PURCHASES_CALLED_AS"] || "purchases", ...words].map(shellWord).join(" ")

const isTime = (name: string): boolean => name.endsWith("At")

/** Writes the members of an answer as lines for people. */
export const membersText = (answer: object): string =>
  Object.entries(answer)
    .map(([name, value]) => `${name.padEnd(18)} ${plain(isTime(name) ? timeText(String(value)) : String(value))}`)
    .join("\n")

/** Writes a reversal of a purchase as a line for people. */
export const reversalLine = ({ storedAt, quantity, amount, reversalId, reason }: ReceiptReversal): string =>
  `${timeText(storedAt)}  ${quantity === 1 ? "1 piece" : `${quantity} pieces`}, ${amount}, ${plain(reversalId)}: ${plain(reason)}`

/** Writes the members of a receipt. Leaves out the counts of repeats and conflicts that are 0. */
const receiptMembers = <Receipt extends { readonly repeatsDropped: number; readonly conflictsRejected: number }>({
  repeatsDropped,
  conflictsRejected,
  ...receipt
}: Receipt): object => ({
  ...receipt,
  ...(repeatsDropped > 0 ? { repeatsDropped } : {}),
  ...(conflictsRejected > 0 ? { conflictsRejected } : {})
})

/** Writes the receipt of a reversal. Leaves out the counts of repeats and conflicts that are 0. */
export const reversalReceiptText = (answer: ReversalReceipt): string => membersText(receiptMembers(answer))

/** Writes a receipt. Leaves out the counts of repeats, conflicts and reversed pieces that are 0. */
export const receiptText = (answer: PurchaseReceipt): string => {
  const { reversed, left, reversals, nextReversals: _path, ...receipt } = answer
  const members = membersText({ ...receiptMembers(receipt), ...(reversed > 0 ? { reversed, left } : {}) })
  return [members, ...reversals.map((one) => `${"reversal".padEnd(18)} ${reversalLine(one)}`)].join("\n")
}

/** Returns the id of the purchase of an entry. Adds the id and the reason of a reversal. */
export const entryId = ({ purchaseId, reversalId, reason = "" }: HistoryEntry): string =>
  reversalId === undefined ? purchaseId : `${purchaseId}, reversed by ${reversalId}: ${reason}`

/** Writes a purchase or a reversal as a line for people. */
export const entryLine = (entry: HistoryEntry): string => {
  const { number, storedAt, quantity, productName, value, total, runningTotal } = entry
  return `${pad(number, 6)}  ${timeText(storedAt)}  ${pad(quantity, 6)} × ${plain(productName).padEnd(12)} at ${pad(value, 10)} = ${pad(total, 12)}  → ${pad(runningTotal, 14)}  ${plain(entryId(entry))}`
}
