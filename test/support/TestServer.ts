import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { Effect, Exit, References, Scope } from "effect"
import type { Hono } from "hono"
import type { ConnectionSettings } from "../../src/edge/server/ConnectionBounds.ts"
import type { OriginSettings } from "../../src/edge/server/OriginChecks.ts"
import { httpWaits, serveHttp } from "../../src/edge/server/HttpServer.ts"

export interface TestServer {
  readonly port: number
  readonly close: () => Promise<void>
}

/** Serves an application on a free port of the loopback interface, also for the host `x`. */
export const serve = async (
  app: Hono,
  waits: Partial<typeof httpWaits> = {},
  pathPrefix = "",
  options: OriginSettings & { readonly connections?: ConnectionSettings } = { allowedHosts: ["x"] }
): Promise<TestServer> => {
  const scope = Effect.runSync(Scope.make())
  const serving = serveHttp(app, "127.0.0.1", 0, { ...httpWaits, ...waits }, { pathPrefix, ...options })
  const port = await Effect.runPromise(Scope.provide(serving, scope))
  const quiet = Effect.provideService(References.MinimumLogLevel, "Error")
  return { port, close: () => Effect.runPromise(quiet(Scope.close(scope, Exit.void))) }
}

export const open = async (port: number): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1")
  await once(socket, "connect")
  return socket
}

/** Returns everything that comes on a socket until the server closes it. */
export const rest = async (socket: Socket): Promise<string> => {
  let text = ""
  for await (const chunk of socket) text += String(chunk)
  return text
}
