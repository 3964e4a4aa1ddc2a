import { type IncomingMessage, request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import { isIP, type LookupFunction } from "node:net"
import { Clock, Duration, Effect } from "effect"
import { type Outcome, retryAfterIn } from "./Backoff.ts"
import { addressesOf } from "./Target.ts"

/** The longest time of an attempt, from the resolving of the name to the end of the answer. */
const attemptTimeout = Duration.seconds(15)
/** The most bytes of an answer's body that are kept. */
const answerBytesMax = 1_024

/** A delivery as an HTTP request: its URL, headers and body. */
export interface Delivery {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Returns a function that gives a socket only the given addresses, whatever the name servers say when the socket
 * connects.
 */
const lookupOf =
  (addresses: ReadonlyArray<string>): LookupFunction =>
  (_name, options, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }))
    const [first] = found
    if (options.all === true || first === undefined) done(null, found)
    else done(null, first.address, first.family)
  }

const nameOfFailure = (failure: NodeJS.ErrnoException): string => failure.code ?? "unknown failure"

/** Reads the beginning of an answer's body. The rest of the answer's body is not read. */
const answerText = (response: IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    let text = Buffer.alloc(0)
    const end = () => resolve(text.subarray(0, answerBytesMax).toString())
    response.on("data", (chunk: Buffer) => {
      text = Buffer.concat([text, chunk])
      if (text.length >= answerBytesMax) response.destroy()
    })
    response.once("close", end)
    response.once("error", end)
  })

/** Returns the outcome of an attempt that was answered. The body of a success is not needed, so it is not read. */
const outcomeOf = async (response: IncomingMessage, now: number): Promise<Outcome> => {
  const status = response.statusCode ?? 0
  const answer = status >= 200 && status < 300 ? "" : await answerText(response)
  const retryAfter = retryAfterIn(response.headers["retry-after"], now)
  return { kind: "answered", status, answer, ...(retryAfter === undefined ? {} : { retryAfter }) }
}

/**
 * Sends one request to one of the given addresses, and follows no redirect. If the sending of the request is
 * interrupted, the socket is closed.
 */
const send = (
  { url, headers, body }: Delivery,
  addresses: ReadonlyArray<string>,
  now: number
): Effect.Effect<Outcome> =>
  Effect.callback((settle) => {
    const sent = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
      lookup: lookupOf(addresses),
      // Each attempt opens a socket of its own, because only the attempt itself has checked the address.
      agent: false
    })
    const take = async (response: IncomingMessage) => {
      settle(Effect.succeed(await outcomeOf(response, now)))
      sent.destroy()
    }
    sent.once("response", (response) => void take(response))
    sent.on("error", (failure) => {
      const reason = `The endpoint could not be reached (${nameOfFailure(failure)}).`
      settle(Effect.succeed({ kind: "failed", reason }))
    })
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

/**
 * Makes one attempt to deliver, and returns how the attempt ended. The name of the host is resolved once, and the
 * socket connects to one of the resolved addresses.
 */
export const attemptDelivery = (delivery: Delivery): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const addresses = yield* addressesOf(delivery.url)
    return yield* send(delivery, addresses, yield* Clock.currentTimeMillis)
  }).pipe(
    Effect.catchTag("AddressRefused", ({ reason }) => Effect.succeed<Outcome>({ kind: "refused", reason })),
    Effect.catchTag("NameUnknown", ({ reason }) => Effect.succeed<Outcome>({ kind: "failed", reason })),
    Effect.timeoutOrElse({
      duration: attemptTimeout,
      orElse: () =>
        Effect.succeed<Outcome>({
          kind: "failed",
          reason: `The endpoint did not answer within ${Duration.toSeconds(attemptTimeout)} seconds.`
        })
    })
  )
