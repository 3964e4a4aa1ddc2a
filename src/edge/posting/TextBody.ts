import { Effect } from "effect"
import type { Context as HttpContext } from "hono"
import { jsonMediaType } from "../contract/AnswerSpec.ts"
import { boundedBody } from "../contract/BodyLimit.ts"
import { singleHeader } from "../contract/HeaderLines.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import type { Body } from "../route/Route.ts"
import { orFail } from "../runtime/EdgeRuntime.ts"
import { contentEncoding, unpacked } from "./ContentEncoding.ts"

// The decoder drops a byte order mark at the start of a body.
const utf8 = new TextDecoder("utf-8", { fatal: true })

const notText = problem("malformed-request", "The body could not be read as UTF-8 text.")

/** Returns the content encoding of a request's body. Fails if the service cannot unpack the encoding. */
export const encodingOf = (http: HttpContext) => {
  const header = singleHeader(http, "Content-Encoding", { isList: true })
  return orFail(isProblem(header) ? header : contentEncoding(header))
}

/** Reads a whole body as text. Fails with `tooLarge` if the body has more than `bytesMax` bytes, packed or unpacked. */
export const textOfBody = Effect.fnUntraced(function* (
  http: HttpContext,
  bytesMax: number,
  tooLarge: Problem<"body-too-large">
) {
  const encoding = yield* encodingOf(http)
  const body = yield* boundedBody(http, bytesMax, tooLarge)
  const bytes =
    encoding === "identity"
      ? body
      : yield* Effect.mapError(unpacked(body, bytesMax), (failure) =>
          failure._tag === "UnpackedTooLarge" ? tooLarge : problem("malformed-request", failure.message)
        )
  return yield* Effect.try({ try: () => utf8.decode(bytes), catch: () => notText })
})

/** Declares a body that has one thing as JSON and is read as text. `bytesMax` is the largest body, in bytes. */
export const oneAsText = (thing: string, documented: Body<string>["documented"], bytesMax: number): Body<string> => {
  const tooLarge = problem("body-too-large", `A ${thing} has at most ${bytesMax} bytes.`)
  return {
    mediaType: jsonMediaType,
    asked: `one ${thing} as ${jsonMediaType}`,
    documented,
    answeredAs: jsonMediaType,
    read: (http) => textOfBody(http, bytesMax, tooLarge)
  }
}
