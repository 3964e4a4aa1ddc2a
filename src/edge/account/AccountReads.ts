import { Effect } from "effect"
import type { Consistency, LedgerEntry, Question, Reply, UsersQuestion } from "../../protocol/Query.ts"
import { type AskOptions, NotCurrent, QueryClient } from "../../asking/QueryClient.ts"
import { wordField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { optional } from "../route/Route.ts"

/** How long a read may wait to become current, in milliseconds. A read that is not current after this time fails. */
export const readWaitMilliseconds = 5_000

type AnswerOf<Kind extends Question["kind"]> = Extract<Reply, { readonly kind: Kind }>

/**
 * Reads `?consistency=`. The default is a strong read, which includes everything that was acknowledged before the read
 * began.
 */
export const consistencyParameter = optional(
  wordField("consistency", ["strong", "eventual"]),
  "strong",
  "A `strong` answer includes everything that was acknowledged before the request began. An `eventual` answer is the state that the owner has in memory."
)
type AskedConsistency = Exclude<Consistency, "committed">

/** The problems of routes that read accounts. */
export const readProblems = ["not-current", "unavailable", "account-unreadable"] as const

/** The problem of a cursor that does not belong to the user's history. */
export const foreignCursor = problem(
  "malformed-request",
  "cursor does not belong to this user's history. Begin without a cursor."
)

/** Returns the problem of a purchase that the account of the user does not have. */
export const unknownPurchase = (userId: string, purchaseId: string) =>
  problem("not-found", `User ${userId} has no purchase ${purchaseId}. GET /rejected lists the rejected records.`)

/**
 * The problem of an account that its owner cannot read. An unreadable account does not affect the accounts of other
 * users.
 */
const accountUnreadable = problem(
  "account-unreadable",
  "The records of this account cannot be read, so it has stopped. Purchases for it are kept as rejected records. Tell the operator."
)

const ask = Effect.fnUntraced(function* <Kind extends Question["kind"]>(
  question: Extract<Question, { readonly kind: Kind }>,
  options: AskOptions,
  foreign = foreignCursor
) {
  const client = yield* QueryClient
  const answer = yield* client.ask(question, options)
  if (answer.kind === question.kind) return answer as AnswerOf<Kind>
  if (answer.kind !== "refused" || answer.reason === "busy") return yield* new NotCurrent({ waitedMilliseconds: 0 })
  return yield* Effect.fail(answer.reason === "place" ? foreign : accountUnreadable)
})

/** Asks the owner of an account, and waits up to {@link readWaitMilliseconds}. */
const read = <Kind extends Question["kind"]>(
  question: Extract<Question, { readonly kind: Kind }>,
  consistency: AskedConsistency
) => ask<Kind>(question, { consistency, waitMilliseconds: readWaitMilliseconds })

/** Reads the total of an account. */
export const readTotal = (userId: string, consistency: AskedConsistency) =>
  read<"total">({ kind: "total", userId }, consistency)

/** Reads a page of an account's history. Fails with {@link foreignCursor} for a cursor of another history. */
export const readHistoryPage = (
  page: Omit<Extract<Question, { readonly kind: "page" }>, "kind">,
  consistency: AskedConsistency
) => read<"page">({ kind: "page", ...page }, consistency)

/**
 * Reads a page of the entries of an account's history that fit a filter. Fails with {@link foreignCursor} for a cursor
 * of another history.
 */
export const searchHistory = (
  search: Omit<Extract<Question, { readonly kind: "search" }>, "kind">,
  consistency: AskedConsistency
) => read<"search">({ kind: "search", ...search }, consistency)

/**
 * Reads a page of the users of a partition. Fails with `foreign` if the order of the users has changed since the cursor
 * was given out.
 */
export const askUsers = (users: Omit<UsersQuestion, "kind">, foreign: typeof foreignCursor) =>
  ask<"users">({ kind: "users", ...users }, { consistency: "strong", waitMilliseconds: readWaitMilliseconds }, foreign)

/** Reads the totals of an account just before some moments, in milliseconds since 1970. */
export const readTotalsBefore = (userId: string, moments: ReadonlyArray<number>, consistency: AskedConsistency) =>
  read<"totalsBefore">({ kind: "totalsBefore", userId, moments }, consistency)

/** Reads the receipt of a purchase, without its reversals. The reply has no receipt if the purchase is not applied. */
export const readReceipt = (userId: string, purchaseId: string, consistency: AskedConsistency) =>
  read<"receipt">({ kind: "receipt", userId, purchaseId }, consistency)

/**
 * Reads the receipt of a purchase, with its newest reversals. Asks the owner only once if the purchase has no
 * reversals.
 */
export const readWholeReceipt = Effect.fnUntraced(function* (
  userId: string,
  purchaseId: string,
  consistency: AskedConsistency
) {
  const answer = yield* readReceipt(userId, purchaseId, consistency)
  if ((answer.receipt?.reversed ?? 0) === 0) return answer
  return yield* read<"receipt">({ kind: "receipt", userId, purchaseId, reversals: true }, consistency)
})

/** The problem of a cursor that does not belong to the reversals of the purchase. */
export const foreignReversalsCursor = problem(
  "malformed-request",
  "cursor does not belong to the reversals of this purchase. Begin without a cursor."
)

/**
 * Reads a page of the reversals of a purchase, with the receipt of the purchase. The reply has no receipt if the
 * purchase is not applied.
 */
export const readReversals = (
  page: Omit<Extract<Question, { readonly kind: "reversals" }>, "kind">,
  consistency: AskedConsistency
) =>
  ask<"reversals">(
    { kind: "reversals", ...page },
    { consistency, waitMilliseconds: readWaitMilliseconds },
    foreignReversalsCursor
  )

/** Reads the receipt of a reversal. The reply has no receipt if the reversal is not applied. */
export const readReversalReceipt = (userId: string, reversalId: string, consistency: AskedConsistency) =>
  read<"receipt">({ kind: "receipt", userId, reversalId }, consistency)

/** Asks the owner for the outcome of a purchase or reversal. Returns `undefined` if no answer comes in time. */
const replyWithin = (question: Extract<Question, { readonly kind: "outcome" }>, waitMilliseconds: number) =>
  ask<"outcome">(question, { consistency: "committed", waitMilliseconds }).pipe(Effect.orElseSucceed(() => undefined))

/**
 * Asks for the outcome of a purchase that is stored at a sequence of the input log. Returns the entry that the account
 * has under the id of the purchase, or `undefined` if no answer comes in time. The purchase stays stored whether an
 * answer comes or not.
 */
export const outcomeWithin = (
  purchase: { readonly userId: string; readonly purchaseId: string },
  inputSequence: number,
  waitMilliseconds: number
): Effect.Effect<LedgerEntry | undefined, never, QueryClient> => {
  const { userId, purchaseId } = purchase
  const question = { kind: "outcome", userId, purchaseId, inputSequence } as const
  return Effect.map(replyWithin(question, waitMilliseconds), (reply) => reply?.entry)
}

/**
 * Asks for the outcome of a reversal that is stored at a sequence of the input log. Returns the entry that the account
 * has under the id of the reversal. Returns `refused` if the account has no such entry, and `undefined` if no answer
 * comes in time.
 */
export const reversalOutcomeWithin = (
  reversal: { readonly userId: string; readonly reversalId: string },
  inputSequence: number,
  waitMilliseconds: number
): Effect.Effect<LedgerEntry | "refused" | undefined, never, QueryClient> => {
  const { userId, reversalId } = reversal
  const question = { kind: "outcome", userId, reversalId, inputSequence } as const
  return Effect.map(replyWithin(question, waitMilliseconds), (reply) => reply && (reply.entry ?? "refused"))
}
