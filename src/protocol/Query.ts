import { Schema } from "effect"

/** The most questions that one request to a partition carries. */
export const questionsMax = 256
/** The most moments that one question names. Each moment can take many reads of the journal. */
export const momentsMax = 401
/** The most revisions that one reply names. */
const revisionsMax = 256
/** The most purchases on one page of history. */
export const pageLimitMax = 1000

/**
 * The start of a page of an account's history. `revision` is the sequence of a commit. `taken` is how many of the
 * account's purchases in that commit are on newer pages.
 */
export const HistoryCursor = Schema.Struct({
  revision: Schema.Int.check(Schema.isGreaterThan(0)),
  taken: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
})
export type HistoryCursor = typeof HistoryCursor.Type

const TotalQuestion = Schema.Struct({ kind: Schema.Literal("total"), userId: Schema.String })
const PageQuestion = Schema.Struct({
  kind: Schema.Literal("page"),
  userId: Schema.String,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageLimitMax })),
  place: Schema.optionalKey(HistoryCursor)
})
const ReceiptQuestion = Schema.Struct({
  kind: Schema.Literal("receipt"),
  userId: Schema.String,
  purchaseId: Schema.String
})

/** Asks for the outcome of a purchase, given its sequence in the input log. */
const OutcomeQuestion = Schema.Struct({
  kind: Schema.Literal("outcome"),
  userId: Schema.String,
  purchaseId: Schema.String,
  inputSequence: Schema.Int
})

/**
 * Asks for the total of an account before each of some moments. Moments are in milliseconds since 1970, oldest first.
 * The total before a moment is the total after the last purchase that the broker stored before it.
 */
const TotalsBeforeQuestion = Schema.Struct({
  kind: Schema.Literal("totalsBefore"),
  userId: Schema.String,
  moments: Schema.Array(Schema.Int).check(Schema.isMinLength(1), Schema.isMaxLength(momentsMax))
})

/** Asks for the sequences of the revisions of an account after a commit, oldest first. */
const RevisionsQuestion = Schema.Struct({
  kind: Schema.Literal("revisions"),
  userId: Schema.String,
  after: Schema.Int,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: revisionsMax }))
})

/** A question of an edge to the owner of a partition. */
export const Question = Schema.Union([
  TotalQuestion,
  PageQuestion,
  ReceiptQuestion,
  OutcomeQuestion,
  TotalsBeforeQuestion,
  RevisionsQuestion
])
export type Question = typeof Question.Type

/** A purchase as the journal holds it. Cents are texts, because JSON numbers are not exact for large totals. */
export const LedgerEntry = Schema.Struct({
  /** The number of the purchase in its account: 1, 2, 3, … in the order of application. */
  number: Schema.Number,
  purchaseId: Schema.String,
  productName: Schema.String,
  productType: Schema.String,
  valueCents: Schema.BigIntFromString,
  quantity: Schema.Number,
  inputSequence: Schema.Number,
  inputIndex: Schema.Number,
  /** When the broker stored the purchase's input message, in milliseconds since 1970. */
  storedAt: Schema.Number,
  /** The sequence of the commit that applied the purchase. Other accounts may have a revision in the same commit. */
  ledgerSequence: Schema.Number,
  /** The account's total after the purchase, in cents. */
  totalAfter: Schema.BigIntFromString
})
export type LedgerEntry = typeof LedgerEntry.Type

/** An applied purchase, with the time when it was applied, and how often it came again. */
export const Receipt = Schema.Struct({
  entry: LedgerEntry,
  /** When the broker stored the commit that applied the purchase, in milliseconds since 1970. */
  appliedAt: Schema.Number,
  /** How often the purchase came again with the same content, without repeats that the broker dropped as duplicates. */
  repeats: Schema.Number,
  conflicts: Schema.Number
})
export type Receipt = typeof Receipt.Type

const TotalReply = Schema.Struct({
  kind: Schema.Literal("total"),
  total: Schema.BigIntFromString,
  count: Schema.Number,
  /** The sequence of the commit with the account's newest revision, 0 before the first. */
  revision: Schema.Number
})
const PageReply = Schema.Struct({
  kind: Schema.Literal("page"),
  total: Schema.BigIntFromString,
  count: Schema.Number,
  revision: Schema.Number,
  /** The purchases of the page, newest first. */
  entries: Schema.Array(LedgerEntry),
  next: Schema.optionalKey(HistoryCursor)
})
const ReceiptReply = Schema.Struct({ kind: Schema.Literal("receipt"), receipt: Schema.optionalKey(Receipt) })
const OutcomeReply = Schema.Struct({ kind: Schema.Literal("outcome"), entry: Schema.optionalKey(LedgerEntry) })
/** The total and the number of purchases of an account at one moment. */
export const TotalBefore = Schema.Struct({ total: Schema.BigIntFromString, count: Schema.Number })
export type TotalBefore = typeof TotalBefore.Type
const TotalsBeforeReply = Schema.Struct({
  kind: Schema.Literal("totalsBefore"),
  /** The sequence of the commit with the account's newest revision, 0 before the first. */
  revision: Schema.Number,
  /** The total before each moment, in the order of the question's moments. */
  totals: Schema.Array(TotalBefore)
})
const RevisionsReply = Schema.Struct({ kind: Schema.Literal("revisions"), sequences: Schema.Array(Schema.Number) })
/**
 * Says why a question is not answered. `place` means that its cursor does not belong to this account. `busy` means that
 * a bound was reached, and the edge should ask again. `unreadable` means that the journal's records of the account cannot
 * be read.
 */
const RefusedReply = Schema.Struct({
  kind: Schema.Literal("refused"),
  reason: Schema.Literals(["place", "busy", "unreadable"])
})

/** The reply to one question. It shows the account at the moment of the question, or later. */
export const Reply = Schema.Union([
  TotalReply,
  PageReply,
  ReceiptReply,
  OutcomeReply,
  TotalsBeforeReply,
  RevisionsReply,
  RefusedReply
])
export type Reply = typeof Reply.Type

/**
 * The freshness of replies. `strong` replies include everything that was acknowledged before the question. `eventual`
 * replies show the owner's state without any check. `committed` replies are for questions about outcomes. An applied
 * purchase stays applied, so the owner checks neither the end of the log nor its ownership.
 */
export const Consistency = Schema.Literals(["strong", "eventual", "committed"])
export type Consistency = typeof Consistency.Type

/** The payload of a request: questions for users of one partition. */
export const Questions = Schema.fromJsonString(
  Schema.Struct({
    consistency: Consistency,
    questions: Schema.Array(Question).check(Schema.isMinLength(1), Schema.isMaxLength(questionsMax))
  })
)
/** The payload of an answer: the replies, in the order of the questions. */
export const Replies = Schema.fromJsonString(Schema.Array(Reply))
