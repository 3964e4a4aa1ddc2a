import { type IncomingMessage, STATUS_CODES } from "node:http"
import { requestTimeoutCode, tooSlow } from "../contract/BodyLimit.ts"
import { securityHeaders } from "./SecurityHeaders.ts"
import { type Problem, problem, problemBody, problemHeaders } from "../contract/Problem.ts"

/** The most bytes of a request's headers. A request above this bound is answered with 431. */
export const headerBytesMax = 16 * 1024

/** The methods that some route of the service has. */
const allowed = "GET, HEAD, POST"

export const unreadable = problem("malformed-request", "This is not a readable HTTP request.")

const headersTooLarge = problem(
  "headers-too-large",
  `The headers have more than ${headerBytesMax} bytes. Send fewer or shorter ones.`
)

/**
 * Returns the problem of a request with an `Expect` other than `100-continue`. HTTP defines no expectation but
 * `100-continue`, and the service meets no other expectation.
 */
export const unexpected = (incoming: IncomingMessage): Problem =>
  problem(
    "expectation-failed",
    `The expectation ${(incoming.headers.expect ?? "").slice(0, 40)} cannot be met. Send 100-continue, or leave Expect out.`
  )

/** The problem of a CONNECT, which asks for a tunnel through a proxy. */
export const noTunnel = problem("method-not-allowed", `CONNECT is not allowed here. Allowed: ${allowed}.`, {
  allow: allowed
})

/** Returns the problem of a request that node's parser cannot read, by the code of the parser's failure. */
export const parserProblem = (code: string | undefined): Problem => {
  if (code === "HPE_HEADER_OVERFLOW") return headersTooLarge
  return code === requestTimeoutCode ? tooSlow : unreadable
}

/** Writes a problem as the text of a whole HTTP answer, for a connection on which node offers no response object. */
export const rawAnswer = (what: Problem, instance: string): string => {
  const body = problemBody(what, instance)
  const head = [
    `HTTP/1.1 ${what.status} ${STATUS_CODES[what.status]}`,
    ...[...Object.entries(problemHeaders(what)), ...securityHeaders].map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close"
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}
