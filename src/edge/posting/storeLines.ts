import { Effect, Stream } from "effect"
import type { Context as HttpContext } from "hono"
import { linesMediaType } from "../contract/AnswerSpec.ts"
import { bodyStream } from "../contract/BodyLimit.ts"
import type { EdgeRuntime, EdgeServices } from "../runtime/EdgeRuntime.ts"
import { bodiesOpenMax } from "../runtime/LineBodies.ts"
import { answerLines, type LinesOptions } from "./LineStream.ts"
import { problem } from "../contract/Problem.ts"

const tooMany = problem("unavailable", `${bodiesOpenMax} bodies of purchases are read already. Nothing was stored.`, {
  "retry-after": "1"
})
const keyForMany = problem(
  "malformed-request",
  "An Idempotency-Key is for one purchase. Give each line its own purchaseId, and leave the key out."
)

/** Stores any number of purchases, one a line. Each line is answered as soon as its result is known. */
export const storeLines = Effect.fnUntraced(function* (
  edge: EdgeRuntime,
  http: HttpContext,
  idempotencyKey: string | undefined,
  options: LinesOptions
) {
  if (idempotencyKey !== undefined) return yield* Effect.fail(keyForMany)
  if (!edge.lineBodies.begin()) return yield* Effect.fail(tooMany)
  const services = yield* Effect.context<EdgeServices>()
  const answers = Stream.unwrap(answerLines(edge, bodyStream(http), options)).pipe(
    Stream.tapCause((cause) => Effect.logError("a body of lines failed", cause)),
    Stream.ensuring(Effect.sync(() => edge.lineBodies.end()))
  )
  return new Response(Stream.toReadableStreamWith(answers, services), {
    headers: {
      "content-type": linesMediaType,
      "cache-control": "no-store",
      ...(options.waitSeconds > 0 ? { "preference-applied": `wait=${options.waitSeconds}` } : {})
    }
  })
})
