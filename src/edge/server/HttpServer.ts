import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createSecureServer, Server as SecureServer } from "node:https"
import type { Duplex } from "node:stream"
import { getRequestListener } from "@hono/node-server"
import { Effect, Schema } from "effect"
import type { Hono } from "hono"
import { linesMediaType, mediaTypeIn } from "../contract/AnswerSpec.ts"
import { requestTimeoutCode } from "../contract/BodyLimit.ts"
import { type Problem, problemBody, problemHeaders, problemResponse } from "../contract/Problem.ts"
import { boundConnections, connectionsDefault, type ConnectionSettings } from "./ConnectionBounds.ts"
import {
  type CertificateFiles,
  certificateRefusal,
  CertificateRefused,
  readCertificate,
  reloadAtHangup
} from "./EdgeCertificate.ts"
import { securityHeaders } from "./SecurityHeaders.ts"
import { OriginChecks, type OriginSettings } from "./OriginChecks.ts"
import { RequestTurns } from "./RequestTurns.ts"
import { headerBytesMax, noTunnel, parserProblem, rawAnswer, unexpected, unreadable } from "./ServerAnswer.ts"

/** The times that the server waits for callers, in milliseconds. */
export const httpWaits = {
  /** The wait for all headers of a request, and before that for the handshake of TLS. */
  headers: 10_000,
  /** The wait for a whole request. The time of a body of lines has no bound. */
  request: 60_000,
  /** The wait for the next bytes of a body of lines, and for the caller to take the next bytes of its answer. */
  lines: 60_000,
  /** The wait for the caller to take the next bytes of an answer. */
  answer: 60_000,
  /**
   * The wait for the next request on a connection that is kept open. Clients keep idle connections open for a shorter
   * time, so no client sends a request on a connection that the server has just closed.
   */
  keepAlive: 75_000,
  /** The time between two searches for late requests. */
  check: 1_000,
  /** The wait for the caller to take the last answer of a connection and to end the connection. */
  linger: 2_000,
  /** The wait for the answers to accepted requests, when the process stops. */
  drain: 10_000
}

/** The failure of a server whose HTTP port cannot be opened. */
export class PortUnavailable extends Schema.TaggedError<PortUnavailable>()("PortUnavailable", {
  host: Schema.String,
  port: Schema.Number,
  reason: Schema.String,
  /** The setting that names the port. */
  setting: Schema.String
}) {
  override get message() {
    return `Cannot listen on ${this.host}:${this.port} (${this.reason}). Set ${this.setting} to another one.`
  }
}

const isOfLines = ({ headers }: IncomingMessage): boolean => mediaTypeIn(headers["content-type"]) === linesMediaType

/** Ends a connection after its last answer, even if the caller does not end its side of the connection. */
const endSocket = (socket: Duplex, waitMilliseconds: number, last = ""): void => {
  const cut = setTimeout(() => socket.destroy(), waitMilliseconds)
  socket.once("close", () => clearTimeout(cut))
  socket.end(last)
}

/**
 * Ends the body of a request with a failure. The reader of the body gets the failure. The connection of a failed body
 * stays open for one last answer.
 */
const failBody = (outgoing: ServerResponse, failure: Error): void => {
  const { req: incoming } = outgoing
  outgoing.shouldKeepAlive = false
  // Without a listener the failure of a body would throw.
  incoming.on("error", () => undefined)
  // Node's own `_destroy` would end the connection as well as the body.
  incoming._destroy = (cause, done) => done(cause)
  incoming.destroy(failure)
}

/**
 * Answers the requests that node's parser cannot read. Each unreadable request gets one answer, in the order of the
 * requests.
 */
class ParserFailures {
  private readonly answers = new WeakMap<Duplex, ServerResponse>()
  private readonly failed = new WeakSet<Duplex>()
  private readonly instance: string
  private readonly lingerMilliseconds: number

  constructor(instance: string, lingerMilliseconds: number) {
    this.instance = instance
    this.lingerMilliseconds = lingerMilliseconds
  }

  /**
   * Remembers `outgoing` as the answer to the newest request of its connection, while the connection is open. No object
   * is made for each request. An object for each request could move to the old generation of V8, and would keep the
   * request in memory until a full collection.
   */
  began(outgoing: ServerResponse): void {
    this.answers.set(outgoing.req.socket, outgoing)
  }

  /**
   * Answers a failure of a connection once. Node reports a failure again whenever more bytes come on the connection.
   */
  met(failure: NodeJS.ErrnoException, socket: Duplex): void {
    const outgoing = this.answers.get(socket)
    const isTimeout = failure.code === requestTimeoutCode
    if (isTimeout && outgoing !== undefined && !outgoing.writableEnded && isOfLines(outgoing.req)) return
    if (this.failed.has(socket)) return
    this.failed.add(socket)
    if (!socket.writable) return void socket.destroy()
    const end = (last?: string) => endSocket(socket, this.lingerMilliseconds, last)
    const answer = () => end(rawAnswer(parserProblem(failure.code), this.instance))
    if (outgoing === undefined) return answer()
    if (outgoing.req.complete) return outgoing.writableFinished ? answer() : void outgoing.once("finish", answer)
    if (outgoing.writableFinished) return end()
    outgoing.once("finish", () => end())
    failBody(outgoing, failure)
  }
}

interface ServerOptions extends OriginSettings {
  /** The settings of the host and the port, for messages. */
  readonly setting?: string
  /** The files of the certificate, if the server itself speaks TLS. */
  readonly certificate?: CertificateFiles | undefined
  /** The prefix of the paths of the service, if a proxy serves the service below a path. */
  readonly pathPrefix?: string
  readonly connections?: ConnectionSettings
}

/** Tells browsers to ask this host with TLS only, for a year. */
const secureTransport = ["strict-transport-security", "max-age=31536000"] as const

/**
 * Makes the server. A request that the server refuses before the application sees the request is answered with
 * problem+json.
 */
const makeServer = (
  app: Hono,
  waits: typeof httpWaits,
  instance: string,
  origins: OriginChecks,
  secured: Effect.Success<ReturnType<typeof readCertificate>> | undefined
): Server => {
  const listener = getRequestListener(app.fetch, {
    errorHandler: () => problemResponse(unreadable, instance),
    // Replaces the Host header that HTTP/1.0 may leave out. No answer shows the value of `hostname`.
    hostname: "localhost"
  })
  const limits = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: waits.headers,
    requestTimeout: waits.request,
    keepAliveTimeout: waits.keepAlive,
    connectionsCheckingInterval: waits.check,
    // With `true` node would refuse HTTP/1.0 without a Host header.
    requireHostHeader: false
  }
  const failures = new ParserFailures(instance, waits.linger)
  const turns = new RequestTurns()
  const refuse = (outgoing: ServerResponse, what: Problem): void => {
    const body = problemBody(what, instance)
    const length = Buffer.byteLength(body)
    outgoing.shouldKeepAlive = false
    outgoing.writeHead(what.status, { ...problemHeaders(what), "content-length": length }).end(body)
  }
  const began = (outgoing: ServerResponse): void => {
    failures.began(outgoing)
    for (const [name, value] of securityHeaders) outgoing.setHeader(name, value)
    if (secured !== undefined) outgoing.setHeader(...secureTransport)
  }
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    began(outgoing)
    const wrong = origins.problemOf(incoming)
    if (wrong !== undefined) return refuse(outgoing, wrong)
    // Node ends a socket that was idle for `waits.lines`, because nothing listens for the event `timeout`.
    if (isOfLines(incoming)) outgoing.setTimeout(waits.lines)
    turns.take(
      () => incoming.headers.authorization ?? incoming.socket.remoteAddress ?? "",
      () => void listener(incoming, outgoing)
    )
  }
  const server =
    secured === undefined
      ? createServer(limits, answer)
      : createSecureServer({ ...limits, handshakeTimeout: waits.headers, ...secured }, answer)
  server.on("checkExpectation", (incoming, outgoing) => {
    began(outgoing)
    refuse(outgoing, origins.problemOf(incoming) ?? unexpected(incoming))
  })
  server.on("connect", (_incoming, socket) => {
    // At a CONNECT, node removes its error listener from the socket. Without any error listener, a failure of the
    // connection would end the process.
    socket.on("error", () => socket.destroy())
    endSocket(socket, waits.linger, rawAnswer(noTunnel, instance))
  })
  server.on("clientError", (failure: NodeJS.ErrnoException, socket) => {
    const meet = () => failures.met(failure, socket)
    // Node finds all late connections at once.
    if (failure.code === requestTimeoutCode) turns.take(() => "", meet)
    else meet()
  })
  return server
}

/** Makes the server. Returns `CertificateRefused` if the certificate and its key do not fit together. */
const madeServer = (...parts: Parameters<typeof makeServer>): Server | CertificateRefused => {
  try {
    return makeServer(...parts)
  } catch (cause) {
    return certificateRefusal(cause)
  }
}

/**
 * Closes a server when it has answered the accepted requests. After `drainMilliseconds`, cuts off the requests that are
 * not answered.
 */
const closing = (server: Server, drainMilliseconds: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  }).pipe(
    Effect.timeoutOrElse({
      duration: drainMilliseconds,
      orElse: () =>
        Effect.andThen(
          Effect.logWarning("stopped before all requests were answered"),
          Effect.sync(() => server.closeAllConnections())
        )
    })
  )

/**
 * Serves the application until the Effect scope closes, and then answers the accepted requests. Succeeds with the port
 * at which the server listens.
 */
export const serveHttp = (
  app: Hono,
  host: string,
  port: number,
  waits = httpWaits,
  {
    setting = "PORT or HOST",
    pathPrefix = "",
    connections = connectionsDefault,
    certificate,
    ...origins
  }: ServerOptions = {}
) =>
  Effect.gen(function* () {
    const secured = certificate && (yield* readCertificate(certificate))
    const listening = Effect.callback<Server, PortUnavailable | CertificateRefused>((resume) => {
      const failed = (error: Error) =>
        resume(Effect.fail(new PortUnavailable({ host, port, reason: error.message, setting })))
      const made = madeServer(app, waits, `${pathPrefix}/`, new OriginChecks(host, origins), secured)
      if (made instanceof CertificateRefused) return resume(Effect.fail(made))
      boundConnections(made, connections, waits)
      made.once("error", failed)
      made.listen(port, host, () => resume(Effect.succeed(made)))
    })
    const server = yield* Effect.acquireRelease(listening, (opened) => closing(opened, waits.drain))
    if (certificate !== undefined && server instanceof SecureServer) yield* reloadAtHangup(server, certificate)
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : port
  })
