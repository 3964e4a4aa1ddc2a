import { Effect } from "effect"
import type { Answer, Consistency, LedgerEntry, Question } from "../domain/Query.ts"
import { type AskOptions, NotCurrent, QueryClient } from "../query/QueryClient.ts"
import { wordField } from "./Field.ts"
import { problem } from "./Problem.ts"
import { optional } from "./Route.ts"

/** How long a read may take to become current before it is given up. */
export const readWaitMilliseconds = 5_000

type AnswerOf<Kind extends Question["kind"]> = Extract<Answer, { readonly kind: Kind }>

/** What a caller reads: everything acknowledged before, unless `?consistency=eventual` is written. */
export const consistencyParameter = optional(
  wordField("consistency", ["strong", "eventual"]),
  "strong",
  "Strong answers hold everything that was acknowledged before the question; eventual ones what the owner knows."
)
type AskedConsistency = Exclude<Consistency, "committed">

/** What a route that reads may fail with. */
export const readProblems = ["not-current", "unavailable"] as const

/** The cursor of a request for a page is not one of the user's history. */
export const foreignCursor = problem("malformed-request", "cursor is none of this user's history. Begin without one.")

const ask = Effect.fnUntraced(function* <Kind extends Question["kind"]>(
  question: Extract<Question, { readonly kind: Kind }>,
  options: AskOptions
) {
  const client = yield* QueryClient
  const answer = yield* client.ask(question, options)
  if (answer.kind === question.kind) return answer as AnswerOf<Kind>
  return yield* Effect.fail(
    answer.kind === "refused" && answer.reason === "place" ? foreignCursor : new NotCurrent({ waitedMilliseconds: 0 })
  )
})

/** Asks what a caller reads. */
const read = <Kind extends Question["kind"]>(
  question: Extract<Question, { readonly kind: Kind }>,
  consistency: AskedConsistency
) => ask<Kind>(question, { consistency, waitMilliseconds: readWaitMilliseconds })

export const readTotal = (userId: string, consistency: AskedConsistency) =>
  read<"total">({ kind: "total", userId }, consistency)

export const readHistoryPage = (
  page: Omit<Extract<Question, { readonly kind: "page" }>, "kind">,
  consistency: AskedConsistency
) => read<"page">({ kind: "page", ...page }, consistency)

/** What an account held before each of some moments, in milliseconds since 1970. */
export const readTotalsBefore = (userId: string, moments: ReadonlyArray<number>, consistency: AskedConsistency) =>
  read<"totalsBefore">({ kind: "totalsBefore", userId, moments }, consistency)

export const readReceipt = (userId: string, purchaseId: string, consistency: AskedConsistency) =>
  read<"receipt">({ kind: "receipt", userId, purchaseId }, consistency)

/**
 * Asks how a purchase came out that is stored at a sequence of the input log. Returns the entry of its id in the account,
 * or `undefined` if the owner does not tell in time: a stored purchase stays stored.
 */
export const outcomeWithin = (
  purchase: { readonly userId: string; readonly purchaseId: string },
  inputSequence: number,
  waitMilliseconds: number
): Effect.Effect<LedgerEntry | undefined, never, QueryClient> => {
  const { userId, purchaseId } = purchase
  const question = { kind: "outcome", userId, purchaseId, inputSequence } as const
  return ask<"outcome">(question, { consistency: "committed", waitMilliseconds }).pipe(
    Effect.map(({ entry }) => entry),
    Effect.orElseSucceed(() => undefined)
  )
}
