import { Effect, Exit, Scope } from "effect"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { FeedReader } from "./FeedReader.ts"
import type { TestEdge } from "../../src/harness/system/TestLedger.ts"

/** An edge in the test's process, with a real socket for feeds. */
export const serveEdge = async ({ app }: Pick<TestEdge, "app">) => {
  const scope = Effect.runSync(Scope.make())
  const port = await Effect.runPromise(Scope.provide(serveHttp(app, "127.0.0.1", 0), scope))
  return {
    port,
    open: (path: string, lastEventId?: string) => FeedReader.open(port, path, lastEventId),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
