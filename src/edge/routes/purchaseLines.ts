import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import { Effect, Stream } from "effect"
import type { Context as HttpContext } from "hono"
import { linesMediaType } from "../Answer.ts"
import type { Edge, EdgeServices } from "../Edge.ts"
import { answerLines, type LinesOptions } from "../LineStream.ts"
import { problem } from "../Problem.ts"

/** The most bodies of lines that an edge reads at once; above it one is refused. */
export const bodiesOpenMax = 64

const tooMany = problem("unavailable", `${bodiesOpenMax} bodies of purchases are read already. Nothing was stored.`, {
  "retry-after": "1"
})
const keyForMany = problem(
  "malformed-request",
  "An Idempotency-Key is for one purchase. Give each line its own purchaseId, and leave the key out."
)

/** The bytes of a body: those of the socket where there is one, since a web stream over it costs more than reading. */
const bodyOf = (http: HttpContext): Readable => {
  const { incoming } = (http.env ?? {}) as { readonly incoming?: IncomingMessage }
  if (incoming !== undefined) return incoming
  const { body } = http.req.raw
  return body === null ? Readable.from([]) : Readable.fromWeb(body as NodeReadableStream)
}

let bodiesOpen = 0

/** Stores purchases of any number, one a line; the answer has a line for each as soon as that is known. */
export const storeLines = Effect.fnUntraced(function* (
  edge: Edge,
  http: HttpContext,
  idempotencyKey: string | undefined,
  options: LinesOptions
) {
  if (idempotencyKey !== undefined) return yield* Effect.fail(keyForMany)
  if (bodiesOpen >= bodiesOpenMax) return yield* Effect.fail(tooMany)
  bodiesOpen += 1
  const services = yield* Effect.context<EdgeServices>()
  const answers = Stream.unwrap(answerLines(edge, bodyOf(http), options)).pipe(
    Stream.tapCause((cause) => Effect.logError("a body of lines failed", cause)),
    Stream.ensuring(Effect.sync(() => void (bodiesOpen -= 1)))
  )
  return new Response(Stream.toReadableStreamWith(answers, services), {
    headers: {
      "content-type": linesMediaType,
      "cache-control": "no-store",
      ...(options.waitSeconds > 0 ? { "preference-applied": `wait=${options.waitSeconds}` } : {})
    }
  })
})
