import { Schema } from "effect"
import type { StoredRevision } from "../../account/Account.ts"
import { entryTotal, reversalIdOf } from "../../account/Entry.ts"
import { currency, quantityMax } from "../../account/Money.ts"
import { purchaseTotal } from "../../account/Purchase.ts"
import type { Reversal } from "../../account/Reversal.ts"
import type { Repeats } from "../../account/Revision.ts"
import { type LedgerEntry, type Receipt, receiptReversalsMax } from "../../protocol/Query.ts"
import { entriesOf } from "../../protocol/LedgerEntries.ts"
import { exactAmount, type RawJson } from "../../protocol/ExactJson.ts"
import { Amount } from "./Amount.ts"

export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** The number of pieces of a purchase. The field that reads the quantity of a request has the same bounds. */
export const Quantity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quantityMax }))

/** The content of a purchase as callers see it. The members `value` and `total` are exact decimals. */
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

const ReversalKind = Schema.Literal("reversal")
const ReversalAmount = Amount.annotateKey({
  description: "The change of the account's total by the reversal, as a negative amount."
})

/**
 * A purchase or a reversal on a page of history. A generated client has one type for the items of a list, so the
 * OpenAPI document has one type for purchases and reversals.
 */
export const HistoryEntry = Schema.Struct({
  number: Count.annotateKey({
    description: "The account numbers its purchases and reversals from 1, in the order in which they are applied."
  }),
  ...contentMembers,
  runningTotal: Amount,
  storedAt: Instant,
  kind: Schema.optionalKey(ReversalKind),
  reversalId: Schema.optionalKey(Schema.String),
  amount: Schema.optionalKey(Amount),
  reason: Schema.optionalKey(Schema.String)
}).annotate({
  identifier: "HistoryEntry",
  description:
    "A purchase, or a reversal of an earlier purchase. Only a reversal has `kind`, `reversalId`, `amount` and `reason`. A reversal has the content of its purchase. The `quantity` of a reversal is the number of pieces that the reversal takes back. The `amount` of a reversal is negative, and `total` is the same amount."
})

const appliedMembers = {
  ...contentMembers,
  status: Schema.Literal("applied"),
  runningTotal: Amount,
  currency: Currency
}
export const AppliedPurchase = Schema.Struct(appliedMembers).annotate({ identifier: "AppliedPurchase" })

/**
 * The body of the answer to a posted purchase: a StoredPurchase or an AppliedPurchase. A generated client has one type
 * for the answers of a route, so the OpenAPI document has one type for stored and applied purchases.
 */
export const PostedPurchase = Schema.Struct({
  ...contentMembers,
  status: Schema.Literals(["stored", "applied"]),
  runningTotal: Schema.optionalKey(Amount),
  currency: Schema.optionalKey(Currency)
}).annotate({
  identifier: "PostedPurchase",
  description: "A purchase that was posted. Only an applied purchase has `runningTotal` and `currency`."
})

const receiptMembers = {
  storedAt: Instant,
  appliedAt: Instant,
  inputSequence: Count,
  ledgerSequence: Count.annotateKey({
    description:
      "The sequence of the commit that applied the purchase or reversal. One commit may apply purchases of many users."
  }),
  repeatsDropped: Count.annotateKey({
    description:
      "The number of repeats that the purchaseId set recognised. Repeats that the broker drops within its duplicate window are not counted."
  }),
  conflictsRejected: Count.annotateKey({
    description: "The number of conflicts, which came under the same id with another content."
  })
}
/** A number of pieces that may be 0. */
const Pieces = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quantityMax }))

const reversedMembers = {
  reversed: Pieces.annotateKey({ description: "The number of pieces of the purchase that reversals took back." }),
  left: Pieces.annotateKey({ description: "The number of pieces of the purchase that no reversal took back." })
}

/** A reversal in the receipt of its purchase. */
export const ReceiptReversal = Schema.Struct({
  reversalId: Schema.String,
  quantity: Quantity,
  amount: ReversalAmount,
  reason: Schema.String,
  storedAt: Instant
}).annotate({ identifier: "ReceiptReversal" })

export const PurchaseReceipt = Schema.Struct({
  number: Count,
  ...appliedMembers,
  ...receiptMembers,
  ...reversedMembers,
  reversals: Schema.Array(ReceiptReversal).annotateKey({
    description: `The reversals of the purchase, newest first, at most ${receiptReversalsMax}.`
  }),
  nextReversals: Schema.optionalKey(
    Schema.String.annotate({
      description: "The path of the page with the next older reversals; missing if `reversals` has all reversals."
    })
  )
}).annotate({ identifier: "PurchaseReceipt" })

/** A page of the reversals of one purchase. */
export const ReversalPage = Schema.Struct({
  userId: Schema.String,
  purchaseId: Schema.String,
  quantity: Quantity.annotateKey({ description: "The number of pieces that were bought." }),
  ...reversedMembers,
  reversals: Schema.Array(ReceiptReversal),
  next: Schema.optionalKey(
    Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
  )
}).annotate({ identifier: "ReversalPage" })

const reversalMembers = {
  kind: ReversalKind,
  reversalId: Schema.String,
  purchaseId: Schema.String,
  userId: Schema.String,
  productName: Schema.String,
  productType: Schema.String,
  value: Amount
}

/** The answer to a posted reversal. */
export const PostedReversal = Schema.Struct({
  ...reversalMembers,
  quantity: Schema.optionalKey(Quantity),
  amount: Schema.optionalKey(Amount),
  reason: Schema.String,
  status: Schema.Literals(["stored", "applied"]),
  runningTotal: Schema.optionalKey(Amount),
  currency: Schema.optionalKey(Currency),
  number: Schema.optionalKey(Count),
  storedAt: Schema.optionalKey(Instant),
  ledgerSequence: Schema.optionalKey(Count)
}).annotate({
  identifier: "PostedReversal",
  description:
    "A reversal that was posted. An applied reversal has all members. A stored reversal has `quantity` and `amount` only if its request gave `quantity`."
})

export const ReversalReceipt = Schema.Struct({
  number: Count,
  ...reversalMembers,
  quantity: Quantity,
  amount: ReversalAmount,
  reason: Schema.String,
  status: Schema.Literal("applied"),
  runningTotal: Amount,
  currency: Currency,
  ...receiptMembers
}).annotate({ identifier: "ReversalReceipt" })

type Content = Pick<LedgerEntry, "purchaseId" | "productName" | "productType" | "valueCents" | "quantity" | "reversal">

/** Writes milliseconds since 1970 as a time of ISO 8601 in UTC. */
export const instant = (milliseconds: number): string => new Date(milliseconds).toISOString()

export const purchaseBody = (userId: string, content: Content): typeof PurchaseContent.Type => ({
  purchaseId: content.purchaseId,
  userId,
  productName: content.productName,
  productType: content.productType,
  value: exactAmount(content.valueCents),
  quantity: content.quantity,
  total: exactAmount(entryTotal(content))
})

export const storedBody = (userId: string, content: Content): typeof StoredPurchase.Type => ({
  ...purchaseBody(userId, content),
  status: "stored"
})

export const entryBody = (userId: string, entry: LedgerEntry): typeof HistoryEntry.Type => {
  const { reversal } = entry
  const body = {
    number: entry.number,
    ...purchaseBody(userId, entry),
    runningTotal: exactAmount(entry.totalAfter),
    storedAt: instant(entry.storedAt)
  }
  if (reversal === undefined) return body
  const { reversalId, reason } = reversal
  return { ...body, kind: "reversal", reversalId, amount: exactAmount(entryTotal(entry)), reason }
}

/**
 * Writes the body of the answer to a post whose purchase is applied. Every repeat of the request gets the same body.
 */
export const appliedBody = (
  userId: string,
  entry: Content & Pick<LedgerEntry, "totalAfter">
): typeof AppliedPurchase.Type => ({
  ...purchaseBody(userId, entry),
  status: "applied",
  runningTotal: exactAmount(entry.totalAfter),
  currency
})

const receiptBodyMembers = ({ entry, appliedAt, repeats, conflicts }: Receipt) => ({
  storedAt: instant(entry.storedAt),
  appliedAt: instant(appliedAt),
  inputSequence: entry.inputSequence,
  ledgerSequence: entry.ledgerSequence,
  repeatsDropped: repeats,
  conflictsRejected: conflicts
})

/** An entry that is a reversal. */
export type ReversalEntry = LedgerEntry & Required<Pick<LedgerEntry, "reversal">>

/** Returns whether an entry is a reversal, and not a purchase. */
export const isReversalEntry = (entry: LedgerEntry): entry is ReversalEntry => entry.reversal !== undefined

const reversedBodyMembers = (receipt: Receipt) => ({
  reversed: receipt.reversed,
  left: receipt.entry.quantity - receipt.reversed,
  reversals: receipt.reversals.filter(isReversalEntry).map((entry) => ({
    reversalId: entry.reversal.reversalId,
    quantity: entry.quantity,
    amount: exactAmount(entryTotal(entry)),
    reason: entry.reversal.reason,
    storedAt: instant(entry.storedAt)
  }))
})

/** Writes a receipt. `nextReversals` is the path of the next reversals; `undefined` if the receipt has all reversals. */
export const receiptBody = (
  userId: string,
  receipt: Receipt,
  nextReversals: string | undefined
): typeof PurchaseReceipt.Type => ({
  number: receipt.entry.number,
  ...appliedBody(userId, receipt.entry),
  ...receiptBodyMembers(receipt),
  ...reversedBodyMembers(receipt),
  ...(nextReversals === undefined ? {} : { nextReversals })
})

/** Writes a page of a purchase's reversals. `next` is the path of the next page; `undefined` on the last page. */
export const reversalPageBody = (
  userId: string,
  receipt: Receipt,
  next: string | undefined
): typeof ReversalPage.Type => ({
  userId,
  purchaseId: receipt.entry.purchaseId,
  quantity: receipt.entry.quantity,
  ...reversedBodyMembers(receipt),
  ...(next === undefined ? {} : { next })
})

/**
 * Writes the body of the answer to a posted reversal that is applied. Every repeat of the request gets the same body.
 */
export const appliedReversalBody = (userId: string, entry: ReversalEntry) => ({
  kind: "reversal" as const,
  reversalId: entry.reversal.reversalId,
  purchaseId: entry.purchaseId,
  userId,
  productName: entry.productName,
  productType: entry.productType,
  value: exactAmount(entry.valueCents),
  quantity: entry.quantity,
  amount: exactAmount(entryTotal(entry)),
  reason: entry.reversal.reason,
  status: "applied" as const,
  runningTotal: exactAmount(entry.totalAfter),
  currency,
  number: entry.number,
  storedAt: instant(entry.storedAt),
  ledgerSequence: entry.ledgerSequence
})

/**
 * Writes the body of the answer to a posted reversal that is stored. `purchase` is the purchase that the reversal
 * reverses.
 */
export const storedReversalBody = (
  { userId, reversalId, quantity, reason }: Reversal,
  purchase: LedgerEntry
): typeof PostedReversal.Type => ({
  kind: "reversal",
  reversalId,
  purchaseId: purchase.purchaseId,
  userId,
  productName: purchase.productName,
  productType: purchase.productType,
  value: exactAmount(purchase.valueCents),
  ...(quantity === undefined ? {} : { quantity, amount: exactAmount(-purchaseTotal({ ...purchase, quantity })) }),
  reason,
  status: "stored"
})

export const reversalReceiptBody = (
  userId: string,
  entry: ReversalEntry,
  receipt: Receipt
): typeof ReversalReceipt.Type => ({ ...appliedReversalBody(userId, entry), ...receiptBodyMembers(receipt) })

/** The total and the counts of an account without entries. */
export const emptyAccount = { total: 0n, count: 0, reversals: 0 }

/**
 * Returns the numbers of an account's purchases and reversals, as members of an answer. `count` is the number of all
 * entries.
 */
export const countsBody = ({ count, reversals }: { readonly count: number; readonly reversals: number }) => ({
  purchaseCount: count - reversals,
  reversalCount: reversals
})

const repeatsBody = ({ repeats, conflicts }: Repeats) => ({ repeatsDropped: repeats, conflictsRejected: conflicts })

interface PurchaseRepeats extends ReturnType<typeof repeatsBody> {
  readonly purchaseId: string
}
interface ReversalRepeats extends ReturnType<typeof repeatsBody> {
  readonly reversalId: string
}

/** The data of an event of a feed: the effect of one commit on one account. */
interface RevisionBody {
  readonly userId: string
  readonly purchases: ReadonlyArray<typeof HistoryEntry.Type>
  readonly repeats: ReadonlyArray<PurchaseRepeats>
  readonly reversals?: ReadonlyArray<typeof HistoryEntry.Type>
  readonly reversalRepeats?: ReadonlyArray<ReversalRepeats>
  readonly total: RawJson
  readonly currency: typeof currency
  readonly purchaseCount: number
  readonly reversalCount: number
  readonly appliedAt: string
}

/**
 * Writes a revision of an account as the data of an event of a feed. The oldest entry of the revision comes first. The
 * data of the event has `reversals` and `reversalRepeats` only if the revision has a reversal, or counts a repeat of a
 * reversal.
 */
export const revisionBody = (userId: string, stored: StoredRevision, appliedAt: number): RevisionBody => {
  const purchases: Array<typeof HistoryEntry.Type> = []
  const reversals: Array<typeof HistoryEntry.Type> = []
  for (const entry of entriesOf(stored).toReversed()) {
    const list = isReversalEntry(entry) ? reversals : purchases
    list.push(entryBody(userId, entry))
  }
  const repeats: Array<PurchaseRepeats> = []
  const reversalRepeats: Array<ReversalRepeats> = []
  for (const [setId, counts] of stored.revision.repeats) {
    const reversalId = reversalIdOf(setId)
    if (reversalId === undefined) repeats.push({ purchaseId: setId, ...repeatsBody(counts) })
    else reversalRepeats.push({ reversalId, ...repeatsBody(counts) })
  }
  const hasReversals = reversals.length > 0 || reversalRepeats.length > 0
  return {
    userId,
    purchases,
    repeats,
    ...(hasReversals ? { reversals, reversalRepeats } : {}),
    total: exactAmount(stored.revision.total),
    currency,
    ...countsBody(stored.revision),
    appliedAt: instant(appliedAt)
  }
}
