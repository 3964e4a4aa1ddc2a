import { currency } from "../domain/Money.ts"
import { purchaseTotal } from "../domain/Purchase.ts"
import type { LedgerEntry, Receipt } from "../domain/Query.ts"
import { exactAmount } from "./ExactJson.ts"

/** What callers see of what the ledger holds; amounts are exact decimals. */
type Content = Pick<LedgerEntry, "purchaseId" | "productName" | "productType" | "valueCents" | "quantity">

const instant = (milliseconds: number): string => new Date(milliseconds).toISOString()

export const purchaseBody = (userId: string, content: Content) => ({
  purchaseId: content.purchaseId,
  userId,
  productName: content.productName,
  productType: content.productType,
  value: exactAmount(content.valueCents),
  quantity: content.quantity,
  total: exactAmount(purchaseTotal(content))
})

/** A purchase on a page of history. */
export const entryBody = (userId: string, entry: LedgerEntry) => ({
  number: entry.number,
  ...purchaseBody(userId, entry),
  runningTotal: exactAmount(entry.totalAfter),
  storedAt: instant(entry.storedAt)
})

/** A purchase that is applied, as the answer to posting it: the same for every repeat. */
export const appliedBody = (userId: string, entry: Content & Pick<LedgerEntry, "totalAfter">) => ({
  ...purchaseBody(userId, entry),
  status: "applied",
  runningTotal: exactAmount(entry.totalAfter),
  currency
})

export const receiptBody = (userId: string, receipt: Receipt) => ({
  number: receipt.entry.number,
  ...appliedBody(userId, receipt.entry),
  storedAt: instant(receipt.entry.storedAt),
  appliedAt: instant(receipt.appliedAt),
  inputSequence: receipt.entry.inputSequence,
  ledgerSequence: receipt.entry.ledgerSequence,
  repeatsDropped: receipt.repeats,
  conflictsRejected: receipt.conflicts
})

/** The path of a purchase's receipt. */
export const receiptPath = (userId: string, purchaseId: string): string =>
  `/users/${encodeURIComponent(userId)}/purchases/${encodeURIComponent(purchaseId)}`
