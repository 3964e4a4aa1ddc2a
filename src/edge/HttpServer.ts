import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { getRequestListener } from "@hono/node-server"
import { Effect, Schema } from "effect"
import type { Hono } from "hono"
import { linesMediaType, mediaTypeIn } from "./Answer.ts"
import { problem, problemBody, problemMediaType, problemResponse } from "./Problem.ts"

/** The most bytes of a request's headers; more is answered with 431. */
export const headerBytesMax = 16 * 1024

/** How long the server waits for others, in milliseconds. */
export const httpWaits = {
  /** For all headers of a request. */
  headers: 10_000,
  /** For a whole request, unless its body is one of lines, which may be as long as it likes. */
  request: 60_000,
  /** For the next bytes of a body of lines, and for the next bytes of its answer to be taken. */
  lines: 60_000,
  /** For the next request on a kept connection; longer than clients keep theirs, so that they do not meet the end. */
  keepAlive: 75_000,
  /** Between two looks at what is late. */
  check: 1_000,
  /** For the answers to what was accepted, when the process stops. */
  drain: 10_000
}

/** The HTTP port cannot be opened. */
export class PortUnavailable extends Schema.TaggedError<PortUnavailable>()("PortUnavailable", {
  host: Schema.String,
  port: Schema.Number,
  reason: Schema.String,
  /** What sets it. */
  setting: Schema.String
}) {
  override get message() {
    return `Cannot listen on ${this.host}:${this.port} (${this.reason}). Set ${this.setting} to another one.`
  }
}

/** What node answers by itself, before there is a request that the application could see. */
const protocolProblems: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, `The headers have more than ${headerBytesMax} bytes.`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request took too long to arrive."]
}

const unreadable = problem("malformed-request", "This is not a readable HTTP request.")

const rawProblem = (code: string): string => {
  const [status, detail] = protocolProblems[code] ?? [400, unreadable.detail]
  const body = problemBody({ ...problem("malformed-request", detail), status }, "/")
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close"
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

const isOfLines = ({ headers }: IncomingMessage): boolean => mediaTypeIn(headers["content-type"]) === linesMediaType

/** Serves the application until the scope closes; then it answers what it has accepted. Succeeds with the port. */
export const serveHttp = (app: Hono, host: string, port: number, waits = httpWaits, setting = "PORT or HOST") =>
  Effect.acquireRelease(
    Effect.callback<Server, PortUnavailable>((resume) => {
      const listener = getRequestListener(app.fetch, { errorHandler: () => problemResponse(unreadable, "/") })
      const limits = {
        maxHeaderSize: headerBytesMax,
        headersTimeout: waits.headers,
        requestTimeout: waits.request,
        keepAliveTimeout: waits.keepAlive,
        connectionsCheckingInterval: waits.check
      }
      const streaming = new WeakSet<Duplex>()
      const server = createServer(limits, (incoming, outgoing) => {
        if (isOfLines(incoming)) {
          const { socket } = incoming
          streaming.add(socket)
          outgoing.once("close", () => streaming.delete(socket))
          // Node ends a socket on which nothing went in or out for so long, when nobody listens for that.
          outgoing.setTimeout(waits.lines)
        }
        void listener(incoming, outgoing)
      })
      server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
        if (error.code === "ERR_HTTP_REQUEST_TIMEOUT" && streaming.has(socket)) return
        if (socket.writable) socket.end(rawProblem(error.code ?? ""))
        else socket.destroy()
      })
      server.once("error", (error) =>
        resume(Effect.fail(new PortUnavailable({ host, port, reason: error.message, setting })))
      )
      server.listen(port, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
      }).pipe(
        Effect.timeoutOrElse({
          duration: waits.drain,
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
