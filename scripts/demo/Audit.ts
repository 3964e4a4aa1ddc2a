import { centsOf, decimalOf } from "../../src/client/Amount.ts"
import type { HistoryEntry } from "../../src/client/Answers.ts"
import { WrongClaim } from "./Report.ts"

const wrong = (text: string): never => {
  throw new WrongClaim(`the history does not fit together: ${text}`)
}

/**
 * Returns the sum of a user's purchases in cents. `entries` has the purchases oldest first. Throws a WrongClaim if the
 * numbers, ids, totals or running totals of the purchases do not fit together.
 */
export const addedUp = (entries: ReadonlyArray<HistoryEntry>): bigint => {
  let sum = 0n
  for (const [index, { number, value, quantity, total, runningTotal }] of entries.entries()) {
    const product = centsOf(value) * BigInt(quantity)
    sum += product
    if (number !== index + 1) wrong(`purchase ${index + 1} is numbered ${number}`)
    if (centsOf(total) !== product) wrong(`${value} times ${quantity} is ${total}`)
    if (centsOf(runningTotal) !== sum) wrong(`${decimalOf(sum)} up to purchase ${number} is ${runningTotal}`)
  }
  const ids = new Set(entries.map(({ purchaseId }) => purchaseId)).size
  return ids === entries.length ? sum : wrong(`${entries.length} purchases have ${ids} ids`)
}
