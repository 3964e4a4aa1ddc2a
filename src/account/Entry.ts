import type { Cents } from "./Money.ts"
import { contentFingerprint, type Purchase, purchaseTotal } from "./Purchase.ts"
import { type Reversal, reversalFingerprint } from "./Reversal.ts"
import type { AppliedPurchase } from "./Revision.ts"

/** The request for an entry of an account, as it stands in the input log. */
export type EntryRequest = Purchase | Reversal

/** Returns whether a request is a reversal, and not a purchase. */
export const isReversalRequest = (request: EntryRequest): request is Reversal => "reversalId" in request

/**
 * The character before a reversal id in the purchaseId set. No id can hold a control character, so no purchase id
 * begins with `reversalMark`.
 */
const reversalMark = "\u0001"

/** Returns the id under which the purchaseId set keeps a reversal. */
export const reversalSetId = (reversalId: string): string => reversalMark + reversalId

/** Returns the reversal id in an id of the purchaseId set; `undefined` if it is the id of a purchase. */
export const reversalIdOf = (setId: string): string | undefined =>
  setId.startsWith(reversalMark) ? setId.slice(reversalMark.length) : undefined

/** Returns the id under which the purchaseId set keeps an entry. */
export const setIdOf = ({ purchaseId, reversal }: Pick<AppliedPurchase, "purchaseId" | "reversal">): string =>
  reversal === undefined ? purchaseId : reversalSetId(reversal.reversalId)

/** Returns the change of the total by an entry, in cents. The change is negative for a reversal. */
export const entryTotal = (entry: Pick<AppliedPurchase, "valueCents" | "quantity" | "reversal">): Cents =>
  entry.reversal === undefined ? purchaseTotal(entry) : -purchaseTotal(entry)

/** Returns the fingerprint of an entry, by which a repeat is told from a conflict. */
export const entryFingerprint = (entry: AppliedPurchase): number => {
  const { purchaseId, reversal } = entry
  if (reversal === undefined) return contentFingerprint(entry)
  return reversalFingerprint({ purchaseId, asked: reversal.asked, reason: reversal.reason })
}

/** Returns the number of purchases among entries. */
export const purchasesAmong = (entries: ReadonlyArray<{ readonly reversal?: object }>): number => {
  let purchases = 0
  for (const { reversal } of entries) if (reversal === undefined) purchases += 1
  return purchases
}
