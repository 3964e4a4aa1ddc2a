import { decimalFromCents } from "../../account/Money.ts"
import { type Purchase, sameContent } from "../../account/Purchase.ts"
import type { LedgerEntry } from "../../protocol/Query.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import type { Published } from "../../intake/PublishResult.ts"
import { type Located, receiptReference } from "../contract/Reference.ts"

/** An applied purchase. `isRepeat`: the same purchase was applied before, and the repeat does not count again. */
export interface Applied {
  readonly entry: LedgerEntry
  readonly isRepeat: boolean
}

const conflictOf = (located: Located, purchase: Purchase, entry: LedgerEntry): Problem<"conflicting-purchase"> =>
  problem(
    "conflicting-purchase",
    `The purchaseId ${purchase.purchaseId} of user ${purchase.userId} was used before for ${entry.quantity} × ${entry.productName} at ${decimalFromCents(entry.valueCents)}. Nothing was applied; use a new id for a new purchase.`,
    { location: receiptReference(located, purchase.userId, purchase.purchaseId) }
  )

/**
 * Compares a purchase with the entry that its account has under the same id. Returns a problem if the content of the
 * purchase and of the entry differ.
 */
export const appliedOf = (
  located: Located,
  purchase: Purchase,
  published: Published,
  entry: LedgerEntry
): Applied | Problem<"conflicting-purchase"> => {
  if (!sameContent(entry, purchase)) return conflictOf(located, purchase, entry)
  const isFirst = entry.inputSequence === published.sequence && entry.inputIndex === published.index
  return { entry, isRepeat: !isFirst || published.duplicate }
}
