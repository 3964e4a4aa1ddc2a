import type { HistoryEntry, PurchaseReceipt } from "../../src/client/Answers.ts"

const barCells = 30
/** The shortest time between two drawings of the bar. */
const drawEveryMilliseconds = 100

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

/** A bar on stderr that shows the progress of a long command. It prints nothing if stderr is not a terminal. */
export class ProgressBar {
  private readonly what: string
  private readonly whole: number
  private drawnAt = Number.NEGATIVE_INFINITY

  constructor(what: string, whole: number) {
    this.what = what
    this.whole = whole
  }

  show(done: number): void {
    const now = performance.now()
    if (!process.stderr.isTTY || (done < this.whole && now - this.drawnAt < drawEveryMilliseconds)) return
    this.drawnAt = now
    const cells = Math.floor((done / this.whole) * barCells)
    const bar = "█".repeat(cells) + "░".repeat(barCells - cells)
    process.stderr.write(`\r\u001B[K${this.what} ${bar} ${done}/${this.whole}`)
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  }
}
