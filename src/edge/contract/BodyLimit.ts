import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import { Effect } from "effect"
import type { Context as HttpContext } from "hono"
import { isProblem, type Problem, problem } from "./Problem.ts"

type BodyFailure = Problem<"body-too-large" | "malformed-request" | "request-timeout">

const broken = "The body broke off, or its chunks could not be read."
const late = "The request took too long to arrive."

const brokenOff = problem("malformed-request", `${broken} Send the request again.`)

/** The code of the failure with which node ends a request that arrives too slowly. */
export const requestTimeoutCode = "ERR_HTTP_REQUEST_TIMEOUT"

export const tooSlow = problem("request-timeout", `${late} Send it again, or send it in smaller parts.`)

const isLate = (cause: unknown): boolean => (cause as NodeJS.ErrnoException | undefined)?.code === requestTimeoutCode

/** Returns the problem of an incomplete body: the caller broke off, was too slow, or sent an unreadable chunk. */
export const bodyFailure = (cause: unknown): Problem<"malformed-request" | "request-timeout"> =>
  isLate(cause) ? tooSlow : brokenOff

/**
 * Returns the problem of an incomplete body of lines. The problem of a body of lines does not advise to send the body
 * again: stored lines without a purchase id would count twice.
 */
export const linesFailure = (cause: unknown): Problem<"malformed-request" | "request-timeout"> =>
  isLate(cause) ? problem("request-timeout", late) : problem("malformed-request", broken)

/**
 * Returns the body as node reads it from the socket. A web stream around node's stream would cost more than the reading
 * of the body.
 */
export const bodyStream = (http: HttpContext): Readable => {
  const { incoming } = (http.env ?? {}) as { readonly incoming?: IncomingMessage }
  if (incoming !== undefined) return incoming
  const { body } = http.req.raw
  return body === null ? Readable.from([]) : Readable.fromWeb(body as NodeReadableStream)
}

/** Reads a body that declares no length. Stops reading above `bytesMax` bytes, and leaves the rest in the stream. */
const counted = async (body: Readable, bytesMax: number, tooLarge: BodyFailure): Promise<Uint8Array | BodyFailure> => {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > bytesMax) return tooLarge
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

/**
 * Reads a whole body of at most `bytesMax` bytes, and fails with `tooLarge` for a larger body. A declared length is
 * compared before the body is read, because node reads exactly the declared number of bytes.
 */
export const boundedBody = (
  http: HttpContext,
  bytesMax: number,
  tooLarge: Problem<"body-too-large">
): Effect.Effect<Uint8Array, BodyFailure> => {
  const declared = http.req.header("content-length")
  const isDeclared = declared !== undefined && http.req.header("transfer-encoding") === undefined
  if (isDeclared && Number(declared) > bytesMax) return Effect.fail(tooLarge)
  return Effect.tryPromise({
    try: async () =>
      isDeclared ? new Uint8Array(await http.req.arrayBuffer()) : counted(bodyStream(http), bytesMax, tooLarge),
    catch: bodyFailure
  }).pipe(Effect.flatMap((read) => (isProblem(read) ? Effect.fail(read) : Effect.succeed(read))))
}
