import type { StoredRevision } from "../account/Account.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { LedgerEntry } from "./Query.ts"

/** Returns the purchases of a revision, newest first, each with its number and running total. */
export const entriesOf = ({ sequence, revision }: StoredRevision): Array<LedgerEntry> => {
  let number = revision.count
  let totalAfter = revision.total
  const entries: Array<LedgerEntry> = []
  for (const purchase of revision.purchases.toReversed()) {
    entries.push({ ...purchase, number, ledgerSequence: sequence, totalAfter })
    number -= 1
    totalAfter -= purchaseTotal(purchase)
  }
  return entries
}

/** Returns one purchase of a revision; `undefined` if the revision did not apply it. */
export const entryOf = (stored: StoredRevision, purchaseId: string): LedgerEntry | undefined =>
  entriesOf(stored).find((entry) => entry.purchaseId === purchaseId)
