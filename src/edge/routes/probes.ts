import { Effect } from "effect"
import type { Hono } from "hono"
import { BrokerLink } from "../../nats/BrokerLink.ts"
import { InputLog } from "../../nats/InputLog.ts"
import { type Edge, json, respond, stopping } from "../Edge.ts"
import { problem } from "../Problem.ts"

/** How long the broker may take to answer a probe. */
const probeWaitMilliseconds = 1_000

const unready = (detail: string) => problem("unavailable", detail, { "retry-after": "1" })

const overview = {
  service: "purchase-ledger",
  routes: [
    "POST /purchases",
    "GET /users/{id}/total",
    "GET /users/{id}/purchases?limit=&cursor=",
    "GET /users/{id}/purchases/{purchaseId}",
    "GET /generate/{count}/{id}",
    "GET /duplicate/{count}/{id}",
    "GET /total/{id}",
    "GET /history/{id}",
    "GET /idempotent-test/{userId}/{product}/{value}/{qty}",
    "GET /livez",
    "GET /readyz"
  ]
}

export const probeRoutes = (app: Hono, edge: Edge): void => {
  app.get("/", () => json(200, overview))

  app.get("/livez", () => json(200, { status: "alive" }))

  app.get("/readyz", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        if (edge.isDraining()) return yield* Effect.fail(stopping)
        const broker = yield* BrokerLink
        if (!broker.isConnected()) return yield* Effect.fail(unready("There is no connection to the broker."))
        const input = yield* InputLog
        yield* input.bounds.pipe(
          Effect.timeout(probeWaitMilliseconds),
          Effect.catch(() => Effect.fail(unready("The broker does not answer for the input log.")))
        )
        return json(200, { status: "ready" })
      })
    )
  )
}
