import type { StoredRevision } from "../account/Account.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { LedgerEntry } from "./Query.ts"

/** The purchases of a revision, newest first, with the number and the running total of each. */
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

/** One purchase of a revision. */
export const entryOf = (stored: StoredRevision, purchaseId: string): LedgerEntry | undefined =>
  entriesOf(stored).find((entry) => entry.purchaseId === purchaseId)
