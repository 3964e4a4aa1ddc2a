import { Effect } from "effect"
import type { Context as HttpContext } from "hono"
import type { Answer, Question } from "../domain/Query.ts"
import { NotCurrent, QueryClient } from "../query/QueryClient.ts"
import { problem } from "./Problem.ts"

/** How long a read may take to become current before it is given up. */
export const readWaitMilliseconds = 5_000

type AnswerOf<Kind extends Question["kind"]> = Extract<Answer, { readonly kind: Kind }>

/** Asks a question, strong unless the caller wrote `?consistency=eventual`. */
const read = Effect.fnUntraced(function* <Kind extends Question["kind"]>(
  http: HttpContext,
  question: Extract<Question, { readonly kind: Kind }>,
  waitMilliseconds = readWaitMilliseconds
) {
  const asked = http.req.query("consistency") ?? "strong"
  if (asked !== "strong" && asked !== "eventual") {
    return yield* Effect.fail(problem("malformed-request", "consistency must be strong or eventual."))
  }
  const client = yield* QueryClient
  const answer = yield* client.ask(question, { consistency: asked, waitMilliseconds })
  if (answer.kind === question.kind) return answer as AnswerOf<Kind>
  return yield* Effect.fail(
    answer.kind === "refused" && answer.reason === "place"
      ? problem("malformed-request", "cursor is none of this user's history. Begin without one.")
      : new NotCurrent({ waitedMilliseconds: 0 })
  )
})

export const total = (http: HttpContext, userId: string) => read<"total">(http, { kind: "total", userId })

export const historyPage = (http: HttpContext, page: Omit<Extract<Question, { readonly kind: "page" }>, "kind">) =>
  read<"page">(http, { kind: "page", ...page })

export const receipt = (http: HttpContext, userId: string, purchaseId: string, waitMilliseconds?: number) =>
  read<"receipt">(http, { kind: "receipt", userId, purchaseId }, waitMilliseconds)
