import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeApp } from "../../src/edge/server/App.ts"
import { httpWaits, serveHttp } from "../../src/edge/server/HttpServer.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { findSchemathesis, runSchemathesis } from "../support/Schemathesis.ts"
import { useService } from "../support/TestService.ts"

const schemathesis = await findSchemathesis()
const scope = Effect.runSync(Scope.make())
const service = useService()
let port: number
beforeAll(async () => {
  // The application is not the test's own service, which checks answers against the document before schemathesis could
  // see them.
  const app = makeApp({
    runPromiseExit: Effect.runPromiseExitWith(service.edge.services),
    isDraining: () => false
  })
  port = await Effect.runPromise(Scope.provide(serveHttp(app, "127.0.0.1", 0, httpWaits), scope))
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

describe("schemathesis", () => {
  it(
    "schemathesis finds no answer that the document does not describe, and no 500",
    { ...needs(schemathesis), timeout: 300_000 },
    async () => {
      const { code, output } = await runSchemathesis(schemathesis.path, port, ["--max-examples", "20", "--seed", "1"])
      expect(code, output).toBe(0)
    }
  )
})
