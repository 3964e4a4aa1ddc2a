import { Schema } from "effect"
import type { StoredRevision } from "../../account/Account.ts"
import { currency, quantityMax } from "../../account/Money.ts"
import { purchaseTotal } from "../../account/Purchase.ts"
import type { LedgerEntry, Receipt } from "../../protocol/Query.ts"
import { entriesOf } from "../../protocol/LedgerEntries.ts"
import { exactAmount } from "../../protocol/ExactJson.ts"
import { Amount } from "./Amount.ts"

export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** The number of pieces of a purchase. The field that reads the quantity of a request has the same bounds. */
export const Quantity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quantityMax }))

/** The content of a purchase as callers see it. Amounts are exact decimals. */
const contentMembers = {
  purchaseId: Schema.String,
  userId: Schema.String,
  productName: Schema.String,
  productType: Schema.String,
  value: Amount,
  quantity: Quantity,
  total: Amount
}
export const Currency = Schema.Literal(currency)
export const Instant = Schema.String.annotate({ format: "date-time" })

export const PurchaseContent = Schema.Struct(contentMembers).annotate({ identifier: "PurchaseContent" })

export const StoredPurchase = Schema.Struct({ ...contentMembers, status: Schema.Literal("stored") }).annotate({
  identifier: "StoredPurchase"
})

/** A purchase on a page of history. */
export const HistoryEntry = Schema.Struct({
  number: Count.annotateKey({ description: "The account numbers its purchases 1, 2, 3, … as it applies them." }),
  ...contentMembers,
  runningTotal: Amount,
  storedAt: Instant
}).annotate({ identifier: "HistoryEntry" })

const appliedMembers = {
  ...contentMembers,
  status: Schema.Literal("applied"),
  runningTotal: Amount,
  currency: Currency
}
export const AppliedPurchase = Schema.Struct(appliedMembers).annotate({ identifier: "AppliedPurchase" })

/**
 * The body of the answer to a posted purchase: a StoredPurchase or an AppliedPurchase. A generated client has one type
 * for the answers of a route, so the document has one type for both.
 */
export const PostedPurchase = Schema.Struct({
  ...contentMembers,
  status: Schema.Literals(["stored", "applied"]),
  runningTotal: Schema.optionalKey(Amount),
  currency: Schema.optionalKey(Currency)
}).annotate({
  identifier: "PostedPurchase",
  description: "A purchase that was posted. An applied one has `runningTotal` and `currency`."
})

export const PurchaseReceipt = Schema.Struct({
  number: Count,
  ...appliedMembers,
  storedAt: Instant,
  appliedAt: Instant,
  inputSequence: Count,
  ledgerSequence: Count.annotateKey({
    description: "The sequence of the commit that applied it. One commit may apply purchases of many users."
  }),
  repeatsDropped: Count.annotateKey({ description: "How often it came again, past the broker's duplicate window." }),
  conflictsRejected: Count.annotateKey({ description: "How often its id came with another content." })
}).annotate({ identifier: "PurchaseReceipt" })

type Content = Pick<LedgerEntry, "purchaseId" | "productName" | "productType" | "valueCents" | "quantity">

/** Writes milliseconds since 1970 as a time of ISO 8601 in UTC. */
export const instant = (milliseconds: number): string => new Date(milliseconds).toISOString()

export const purchaseBody = (userId: string, content: Content): typeof PurchaseContent.Type => ({
  purchaseId: content.purchaseId,
  userId,
  productName: content.productName,
  productType: content.productType,
  value: exactAmount(content.valueCents),
  quantity: content.quantity,
  total: exactAmount(purchaseTotal(content))
})

export const storedBody = (userId: string, content: Content): typeof StoredPurchase.Type => ({
  ...purchaseBody(userId, content),
  status: "stored"
})

export const entryBody = (userId: string, entry: LedgerEntry): typeof HistoryEntry.Type => ({
  number: entry.number,
  ...purchaseBody(userId, entry),
  runningTotal: exactAmount(entry.totalAfter),
  storedAt: instant(entry.storedAt)
})

/** Writes the body of the answer to a post whose purchase is applied. Every repeat gets the same body. */
export const appliedBody = (
  userId: string,
  entry: Content & Pick<LedgerEntry, "totalAfter">
): typeof AppliedPurchase.Type => ({
  ...purchaseBody(userId, entry),
  status: "applied",
  runningTotal: exactAmount(entry.totalAfter),
  currency
})

export const receiptBody = (userId: string, receipt: Receipt): typeof PurchaseReceipt.Type => ({
  number: receipt.entry.number,
  ...appliedBody(userId, receipt.entry),
  storedAt: instant(receipt.entry.storedAt),
  appliedAt: instant(receipt.appliedAt),
  inputSequence: receipt.entry.inputSequence,
  ledgerSequence: receipt.entry.ledgerSequence,
  repeatsDropped: receipt.repeats,
  conflictsRejected: receipt.conflicts
})

/** Writes a revision of an account as the data of an event of a feed. The oldest purchase comes first. */
export const revisionBody = (userId: string, stored: StoredRevision, appliedAt: number) => ({
  userId,
  purchases: entriesOf(stored)
    .toReversed()
    .map((entry) => entryBody(userId, entry)),
  repeats: Array.from(stored.revision.repeats, ([purchaseId, { repeats, conflicts }]) => ({
    purchaseId,
    repeatsDropped: repeats,
    conflictsRejected: conflicts
  })),
  total: exactAmount(stored.revision.total),
  currency,
  purchaseCount: stored.revision.count - stored.revision.reversals,
  appliedAt: instant(appliedAt)
})
