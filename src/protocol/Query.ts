import { Schema } from "effect"

/** The most questions that one request to a partition carries. */
export const questionsMax = 256
/** The most moments that one question names. Each moment can take many reads of the journal. */
export const momentsMax = 401
/** The most revisions that one reply names. */
const revisionsMax = 256
/** The most reversals of a purchase in its receipt, and on one page of its reversals. */
export const receiptReversalsMax = 100
/** The most revisions that a page of a filtered history reads after the search for its beginning. */
export const revisionsScannedMax = 200
/** A page of a filtered history reads no further revision when it has looked at this many entries. */
export const entriesScannedMax = 10_000
/** The most users on one page. */
export const usersLimitMax = 100
/** The most users that an owner looks at for one page of users with a prefix. */
export const usersLookedMax = 500
/** The most entries on one page of history. */
export const pageLimitMax = 1000

/**
 * The start of a page of an account's history. `revision` is the sequence of a commit. `taken` is how many of the
 * account's entries in that commit are on newer pages.
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

/**
 * The conditions on the entries of a history. An entry fits a filter if it meets all conditions that are given. Times
 * are in milliseconds since 1970.
 */
export const HistoryFilter = Schema.Struct({
  /** The entry was stored at or after this time. */
  from: Schema.optionalKey(Schema.Int),
  /** The entry was stored before this time. */
  to: Schema.optionalKey(Schema.Int),
  /** The number of the entry is above this number. */
  after: Schema.optionalKey(Schema.Int),
  /** The number of the entry is below this number. */
  before: Schema.optionalKey(Schema.Int),
  /** The entry has this product name. */
  product: Schema.optionalKey(Schema.String),
  /** The entry has this product type. */
  productType: Schema.optionalKey(Schema.String)
})
export type HistoryFilter = typeof HistoryFilter.Type

/** The orders of a history. */
export const historyOrders = ["newest", "oldest"] as const
export type HistoryOrder = (typeof historyOrders)[number]

/**
 * Asks for a page of the entries that fit a filter, in an order. The `taken` of the cursor counts the entries of the
 * cursor's revision that are on earlier pages. A search is a kind of question of its own, because a worker that does
 * not know filters would ignore the filter of a page.
 */
const SearchQuestion = Schema.Struct({
  kind: Schema.Literal("search"),
  userId: Schema.String,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageLimitMax })),
  order: Schema.Literals(historyOrders),
  filter: HistoryFilter,
  place: Schema.optionalKey(HistoryCursor)
})

/**
 * Asks for the receipt of a purchase. With `reversals`, the receipt has the newest reversals of the purchase. The
 * reversals of a purchase take many reads, and their texts fill a large part of a message.
 */
const ReceiptQuestion = Schema.Struct({
  kind: Schema.Literal("receipt"),
  userId: Schema.String,
  purchaseId: Schema.String,
  reversals: Schema.optionalKey(Schema.Literal(true))
})
/**
 * Asks for a page of the reversals of a purchase, newest first. The `revision` of the cursor is the sequence of a commit
 * with reversals of the purchase. The `taken` of the cursor counts the reversals of the commit that are on newer pages.
 */
const ReversalsQuestion = Schema.Struct({
  kind: Schema.Literal("reversals"),
  userId: Schema.String,
  purchaseId: Schema.String,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: receiptReversalsMax })),
  place: Schema.optionalKey(HistoryCursor)
})
const ReversalReceiptQuestion = Schema.Struct({
  kind: Schema.Literal("receipt"),
  userId: Schema.String,
  reversalId: Schema.String
})

/** Asks for the outcome of a purchase, given the sequence of the purchase in the input log. */
const OutcomeQuestion = Schema.Struct({
  kind: Schema.Literal("outcome"),
  userId: Schema.String,
  purchaseId: Schema.String,
  inputSequence: Schema.Int
})
/** Asks for the outcome of a reversal, given the sequence of the reversal in the input log. */
const ReversalOutcomeQuestion = Schema.Struct({
  kind: Schema.Literal("outcome"),
  userId: Schema.String,
  reversalId: Schema.String,
  inputSequence: Schema.Int
})

/**
 * Asks for the total of an account before each of some moments. Moments are in milliseconds since 1970, oldest first.
 * The total before a moment is the total after the last entry that the broker stored before the moment.
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

/**
 * Asks for users of a partition, in the order of the partition's heads. The order of the heads is no order of the
 * users' ids. `mark` names the order of the heads, and is left out for the first page of the partition.
 */
const UsersQuestion = Schema.Struct({
  kind: Schema.Literal("users"),
  partition: Schema.Int,
  from: Schema.Int,
  mark: Schema.optionalKey(Schema.Int),
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: usersLimitMax })),
  /** The text with which the ids of all users on the page begin. */
  prefix: Schema.String
})
export type UsersQuestion = typeof UsersQuestion.Type

/** A question of an edge to the owner of a partition. */
export const Question = Schema.Union([
  TotalQuestion,
  PageQuestion,
  SearchQuestion,
  ReceiptQuestion,
  ReversalReceiptQuestion,
  ReversalsQuestion,
  OutcomeQuestion,
  ReversalOutcomeQuestion,
  TotalsBeforeQuestion,
  RevisionsQuestion,
  UsersQuestion
])
export type Question = typeof Question.Type
/** A question about one account. */
export type AccountQuestion = Exclude<Question, UsersQuestion>

/** The part of an entry that only a reversal has. */
const EntryReversal = Schema.Struct({
  reversalId: Schema.String,
  reason: Schema.String,
  /** The pieces that the request named; 0 if it asked for all pieces that were left. */
  asked: Schema.Number,
  /** The sequence of the newest earlier commit with a reversal of the same purchase; 0 without an earlier reversal. */
  previous: Schema.Number
})

/**
 * A purchase or a reversal as the journal holds it. Cents are texts, because JSON numbers are not exact for large
 * totals. The purchase id, product and price of a reversal are those of the reversed purchase. The quantity of a
 * reversal is the number of pieces that it takes back.
 */
export const LedgerEntry = Schema.Struct({
  /** The number of the entry in its account: 1, 2, 3, … in the order of application. */
  number: Schema.Number,
  purchaseId: Schema.String,
  productName: Schema.String,
  productType: Schema.String,
  valueCents: Schema.BigIntFromString,
  quantity: Schema.Number,
  inputSequence: Schema.Number,
  inputIndex: Schema.Number,
  /** When the broker stored the input message of the entry, in milliseconds since 1970. */
  storedAt: Schema.Number,
  /** The sequence of the commit that applied the entry. Other accounts may have a revision in the same commit. */
  ledgerSequence: Schema.Number,
  /** The account's total after the entry, in cents. */
  totalAfter: Schema.BigIntFromString,
  /** The part that only a reversal has; left out for a purchase. */
  reversal: Schema.optionalKey(EntryReversal)
})
export type LedgerEntry = typeof LedgerEntry.Type

/**
 * An applied purchase or reversal, with the time of its commit, and how often the request came again. The receipt of a
 * purchase has its reversals.
 */
export const Receipt = Schema.Struct({
  entry: LedgerEntry,
  /** When the broker stored the commit that applied the entry, in milliseconds since 1970. */
  appliedAt: Schema.Number,
  /** How often the entry came again with the same content, without repeats that the broker dropped as duplicates. */
  repeats: Schema.Number,
  conflicts: Schema.Number,
  /** The pieces of the purchase that were taken back; 0 for a reversal. */
  reversed: Schema.Number,
  /**
   * The newest reversals of the purchase, newest first, at most {@link receiptReversalsMax}. The list is empty for a
   * reversal, and if the question does not ask for reversals.
   */
  reversals: Schema.Array(LedgerEntry)
})
export type Receipt = typeof Receipt.Type

const TotalReply = Schema.Struct({
  kind: Schema.Literal("total"),
  total: Schema.BigIntFromString,
  /** The number of entries of the account: purchases and reversals together. */
  count: Schema.Number,
  /** The number of reversals of the account. */
  reversals: Schema.Number,
  /** The sequence of the commit with the account's newest revision, 0 before the first revision. */
  revision: Schema.Number
})
const PageReply = Schema.Struct({
  kind: Schema.Literal("page"),
  total: Schema.BigIntFromString,
  count: Schema.Number,
  reversals: Schema.Number,
  revision: Schema.Number,
  /** The entries of the page, newest first. */
  entries: Schema.Array(LedgerEntry),
  next: Schema.optionalKey(HistoryCursor)
})
const SearchReply = Schema.Struct({
  ...PageReply.fields,
  kind: Schema.Literal("search"),
  /** The entries of the page, in the order of the question. */
  entries: Schema.Array(LedgerEntry)
})
const ReceiptReply = Schema.Struct({
  kind: Schema.Literal("receipt"),
  receipt: Schema.optionalKey(Receipt),
  /** The start of the next page of the purchase's reversals; left out if the receipt has all reversals. */
  next: Schema.optionalKey(HistoryCursor)
})
const ReversalsReply = Schema.Struct({
  kind: Schema.Literal("reversals"),
  /** The receipt of the purchase, with the page of its reversals; left out if the purchase is not applied. */
  receipt: Schema.optionalKey(Receipt),
  next: Schema.optionalKey(HistoryCursor)
})
const OutcomeReply = Schema.Struct({ kind: Schema.Literal("outcome"), entry: Schema.optionalKey(LedgerEntry) })
/** The total of an account at one moment, the number of its entries, and the number of reversals among them. */
export const TotalBefore = Schema.Struct({
  total: Schema.BigIntFromString,
  count: Schema.Number,
  reversals: Schema.Number
})
export type TotalBefore = typeof TotalBefore.Type
const TotalsBeforeReply = Schema.Struct({
  kind: Schema.Literal("totalsBefore"),
  /** The sequence of the commit with the account's newest revision, 0 before the first revision. */
  revision: Schema.Number,
  /** The total before each moment, in the order of the question's moments. */
  totals: Schema.Array(TotalBefore)
})
const RevisionsReply = Schema.Struct({ kind: Schema.Literal("revisions"), sequences: Schema.Array(Schema.Number) })
/** A user with the total and the counts of the newest revision that is committed. */
export const ListedUser = Schema.Struct({
  userId: Schema.String,
  total: Schema.BigIntFromString,
  count: Schema.Number,
  reversals: Schema.Number
})
export type ListedUser = typeof ListedUser.Type
const UsersReply = Schema.Struct({
  kind: Schema.Literal("users"),
  users: Schema.Array(ListedUser),
  /** The beginning of the next page, in this partition or in the next partition; left out on the last page. */
  next: Schema.optionalKey(
    Schema.Struct({ partition: Schema.Number, from: Schema.Number, mark: Schema.optionalKey(Schema.Number) })
  )
})
/**
 * Says why a question is not answered. `place` means that the cursor of the question does not belong to the account.
 * `busy` means that a bound was reached, and the edge should ask again. `unreadable` means that the journal's records
 * of the account cannot be read.
 */
const RefusedReply = Schema.Struct({
  kind: Schema.Literal("refused"),
  reason: Schema.Literals(["place", "busy", "unreadable"])
})

/** The reply to one question, which shows the account at the moment of the question, or later. */
export const Reply = Schema.Union([
  TotalReply,
  PageReply,
  SearchReply,
  ReceiptReply,
  ReversalsReply,
  OutcomeReply,
  TotalsBeforeReply,
  RevisionsReply,
  UsersReply,
  RefusedReply
])
export type Reply = typeof Reply.Type

/**
 * The freshness of replies. `strong` replies include everything that was acknowledged before the question. `eventual`
 * replies show the owner's state without any check. `committed` replies are for questions about outcomes. An applied
 * purchase stays applied, so for `committed` replies the owner checks neither the end of the log nor its ownership.
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
