import type { HistoryEntry, PurchaseReceipt } from "../../src/client/Answers.ts"

/** Replaces control characters, because texts of users may hold commands for a terminal. */
export const plain = (text: string): string => text.replaceAll(/\p{C}/gu, "\uFFFD")

const pad = (text: string | number, width: number): string => String(text).padStart(width)

/** Writes a count with a comma at each thousand. */
export const counted = (count: number): string => count.toLocaleString("en-US")

/** Writes a time of an answer with its date and its zone, to the second. */
export const timeText = (instant: string): string => `${instant.slice(0, 19).replace("T", " ")} UTC`

/** Quotes a word for a shell if it needs that. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

const isTime = (name: string): boolean => name.endsWith("At")

/** Writes the members of an answer as lines for people. */
export const membersText = (answer: object): string =>
  Object.entries(answer)
    .map(([name, value]) => `${name.padEnd(18)} ${plain(isTime(name) ? timeText(String(value)) : String(value))}`)
    .join("\n")

/** Writes a receipt. Leaves out the counts of repeats and conflicts that are 0. */
export const receiptText = ({ repeatsDropped, conflictsRejected, ...receipt }: PurchaseReceipt): string =>
  membersText({
    ...receipt,
    ...(repeatsDropped > 0 ? { repeatsDropped } : {}),
    ...(conflictsRejected > 0 ? { conflictsRejected } : {})
  })

/** Writes one purchase as a line for people. */
export const entryLine = ({
  number,
  storedAt,
  quantity,
  productName,
  value,
  total,
  runningTotal,
  purchaseId
}: HistoryEntry) =>
  `${pad(number, 6)}  ${timeText(storedAt)}  ${pad(quantity, 6)} × ${plain(productName).padEnd(12)} at ${pad(value, 10)} = ${pad(total, 12)}  → ${pad(runningTotal, 14)}  ${plain(purchaseId)}`
