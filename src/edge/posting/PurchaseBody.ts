import { Effect, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { jsonMediaType, linesMediaType } from "../contract/AnswerSpec.ts"
import { boundedBody } from "../contract/BodyLimit.ts"
import { type ContentEncoding, contentEncoding, unpacked } from "./ContentEncoding.ts"
import { type EdgeRuntime, orFail } from "../runtime/EdgeRuntime.ts"
import { singleHeader } from "../contract/HeaderLines.ts"
import { isProblem, problem } from "../contract/Problem.ts"
import { writtenBody } from "../contract/PurchaseReader.ts"
import { PurchaseRequest } from "../contract/PurchaseRequest.ts"
import type { Body } from "../route/Route.ts"

/** The largest body of one purchase, in bytes. */
export const purchaseBodyBytesMax = 16 * 1024

// The decoder drops a byte order mark at the start.
const utf8 = new TextDecoder("utf-8", { fatal: true })

const tooLarge = problem("body-too-large", `A purchase has at most ${purchaseBodyBytesMax} bytes.`)
const notText = problem("malformed-request", "The body could not be read as UTF-8 text.")

const encodingOf = (http: HttpContext) => {
  const header = singleHeader(http, "Content-Encoding", { isList: true })
  return orFail(isProblem(header) ? header : contentEncoding(header))
}

/** A body with one purchase. It is read as text; {@link purchaseIn} reads the purchase in the text. */
export const onePurchase: Body<string> = {
  mediaType: jsonMediaType,
  asked: `one purchase as ${jsonMediaType}`,
  documented: PurchaseRequest,
  answeredAs: jsonMediaType,
  read: Effect.fnUntraced(function* (http: HttpContext) {
    const encoding = yield* encodingOf(http)
    const body = yield* boundedBody(http, purchaseBodyBytesMax, tooLarge)
    const bytes =
      encoding === "identity"
        ? body
        : yield* Effect.mapError(unpacked(body, purchaseBodyBytesMax), (failure) =>
            failure._tag === "UnpackedTooLarge" ? tooLarge : problem("malformed-request", failure.message)
          )
    return yield* Effect.try({ try: () => utf8.decode(bytes), catch: () => notText })
  })
}

/** Reads the purchase in the text of a body. Fails with the problem of a wrong purchase. */
export const purchaseIn = (
  { purchaseReader }: EdgeRuntime,
  body: string,
  idempotencyKey: string | undefined,
  newId: () => string
) => orFail(purchaseReader.read(writtenBody(body), idempotencyKey, newId))

/** A body with many purchases as lines. Only the content encoding is read here; the route reads the lines. */
export const manyPurchases: Body<{ readonly encoding: ContentEncoding }> = {
  mediaType: linesMediaType,
  asked: `many, one a line, as ${linesMediaType}`,
  documented: Schema.String.annotate({ description: "Any number of lines, each a PurchaseRequest or blank." }),
  answeredAs: linesMediaType,
  read: (http) => Effect.map(encodingOf(http), (encoding) => ({ encoding }))
}
