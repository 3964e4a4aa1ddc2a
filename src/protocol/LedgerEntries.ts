import type { StoredRevision } from "../account/Account.ts"
import { entryTotal, setIdOf } from "../account/Entry.ts"
import type { LedgerEntry } from "./Query.ts"

/** Returns the entries of a revision, newest first, each with its number and running total. */
export const entriesOf = ({ sequence, revision }: StoredRevision): Array<LedgerEntry> => {
  let number = revision.count
  let totalAfter = revision.total
  const entries: Array<LedgerEntry> = []
  for (const purchase of revision.purchases.toReversed()) {
    entries.push({ ...purchase, number, ledgerSequence: sequence, totalAfter })
    number -= 1
    totalAfter -= entryTotal(purchase)
  }
  return entries
}

/**
 * Returns one entry of a revision, by its id in the purchaseId set; `undefined` if the revision did not apply an entry
 * with this id.
 */
export const entryOf = (stored: StoredRevision, setId: string): LedgerEntry | undefined =>
  entriesOf(stored).find((entry) => setIdOf(entry) === setId)
