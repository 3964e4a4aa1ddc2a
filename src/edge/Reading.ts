import { Effect } from "effect"
import type { Context as HttpContext } from "hono"
import type { Answer, Consistency, Question } from "../domain/Query.ts"
import { type AskOptions, NotCurrent, QueryClient } from "../query/QueryClient.ts"
import { accepted } from "./Edge.ts"
import { type Problem, problem } from "./Problem.ts"

/** How long a read may take to become current before it is given up. */
export const readWaitMilliseconds = 5_000

type AnswerOf<Kind extends Question["kind"]> = Extract<Answer, { readonly kind: Kind }>

const askedConsistency = (http: HttpContext): Consistency | Problem => {
  const asked = http.req.query("consistency") ?? "strong"
  return asked === "strong" || asked === "eventual"
    ? asked
    : problem("malformed-request", "consistency must be strong or eventual.")
}

const ask = Effect.fnUntraced(function* <Kind extends Question["kind"]>(
  question: Extract<Question, { readonly kind: Kind }>,
  options: AskOptions
) {
  const client = yield* QueryClient
  const answer = yield* client.ask(question, options)
  if (answer.kind === question.kind) return answer as AnswerOf<Kind>
  return yield* Effect.fail(
    answer.kind === "refused" && answer.reason === "place"
      ? problem("malformed-request", "cursor is none of this user's history. Begin without one.")
      : new NotCurrent({ waitedMilliseconds: 0 })
  )
})

/** Asks what a caller reads: strong, unless `?consistency=eventual` is written. */
const read = <Kind extends Question["kind"]>(http: HttpContext, question: Extract<Question, { readonly kind: Kind }>) =>
  Effect.flatMap(accepted(askedConsistency(http)), (consistency) =>
    ask<Kind>(question, { consistency, waitMilliseconds: readWaitMilliseconds })
  )

export const total = (http: HttpContext, userId: string) => read<"total">(http, { kind: "total", userId })

export const historyPage = (http: HttpContext, page: Omit<Extract<Question, { readonly kind: "page" }>, "kind">) =>
  read<"page">(http, { kind: "page", ...page })

export const receipt = (http: HttpContext, userId: string, purchaseId: string) =>
  read<"receipt">(http, { kind: "receipt", userId, purchaseId })

/** How a purchase that is stored at a sequence of the input log came out, for a caller who waits so long. */
export const outcomeWithin = (
  purchase: { readonly userId: string; readonly purchaseId: string },
  inputSequence: number,
  waitMilliseconds: number
) => {
  const { userId, purchaseId } = purchase
  const question = { kind: "outcome", userId, purchaseId, inputSequence } as const
  return ask<"outcome">(question, { consistency: "committed", waitMilliseconds })
}
