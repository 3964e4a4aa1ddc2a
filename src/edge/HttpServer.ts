import { type Server, STATUS_CODES } from "node:http"
import { createAdaptorServer } from "@hono/node-server"
import { Effect, Schema } from "effect"
import type { Hono } from "hono"
import { problem, problemBody, problemMediaType } from "./Problem.ts"

/** The most bytes of a request's headers; more is answered with 431. */
export const headerBytesMax = 16 * 1024
/** How long a client may take to send its headers, and its whole request. */
const headersWaitMilliseconds = 10_000
const requestWaitMilliseconds = 60_000
/** How long the answers to what was accepted may take when the process stops. */
const drainWaitMilliseconds = 10_000

/** The HTTP port cannot be opened. */
export class PortUnavailable extends Schema.TaggedError<PortUnavailable>()("PortUnavailable", {
  host: Schema.String,
  port: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `Cannot listen on ${this.host}:${this.port} (${this.reason}). Set PORT or HOST to another one.`
  }
}

/** What node answers by itself, before there is a request that the application could see. */
const protocolProblems: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, `The headers have more than ${headerBytesMax} bytes.`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request took too long to arrive."]
}

const rawProblem = (code: string): string => {
  const [status, detail] = protocolProblems[code] ?? [400, "This is not a readable HTTP request."]
  const body = problemBody({ ...problem("malformed-request", detail), status }, "/")
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close"
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

/** Serves the application until the scope closes; then it answers what it has accepted. Succeeds with the port. */
export const serveHttp = (app: Hono, host: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<Server, PortUnavailable>((resume) => {
      const server = createAdaptorServer({
        fetch: app.fetch,
        serverOptions: {
          maxHeaderSize: headerBytesMax,
          headersTimeout: headersWaitMilliseconds,
          requestTimeout: requestWaitMilliseconds,
          connectionsCheckingInterval: 1_000
        }
      }) as Server
      server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
        if (socket.writable) socket.end(rawProblem(error.code ?? ""))
        else socket.destroy()
      })
      server.once("error", (error) => resume(Effect.fail(new PortUnavailable({ host, port, reason: error.message }))))
      server.listen(port, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
      }).pipe(
        Effect.timeoutOrElse({
          duration: drainWaitMilliseconds,
          orElse: () =>
            Effect.andThen(
              Effect.logWarning("stopped with requests unanswered"),
              Effect.sync(() => server.closeAllConnections())
            )
        })
      )
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : port
    })
  )
