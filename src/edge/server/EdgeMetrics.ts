import type { ServerResponse } from "node:http"
import { Effect, Layer } from "effect"
import type { Context, MiddlewareHandler } from "hono"
import { whenAsked } from "../../metrics/Exposition.ts"
import { requestAnswered, setGauge } from "../../metrics/Measures.ts"
import { ConnectionState } from "../../nats/client/ConnectionState.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"

/** The status of a request whose client left before the answer began, in metrics. nginx uses the same number. */
const clientLeftStatus = 499

const isClientGone = (http: Context): boolean => {
  const { outgoing } = (http.env ?? {}) as { readonly outgoing?: ServerResponse }
  return outgoing !== undefined && outgoing.destroyed && !outgoing.headersSent
}

/** Counts the requests of a route, and measures the time until their answers begin. */
export const measured =
  (route: string): MiddlewareHandler =>
  async (http, next) => {
    const began = performance.now()
    await next()
    const status = isClientGone(http) ? clientLeftStatus : http.res.status
    requestAnswered(http.req.method, route, status, (performance.now() - began) / 1_000)
  }

/** Sets the gauges of an edge whenever its metrics are read. */
export const edgeMetricsLayer = Layer.effectDiscard(
  Effect.gen(function* () {
    const publisher = yield* PurchasePublisher
    const broker = yield* ConnectionState
    yield* whenAsked(
      Effect.sync(() => {
        setGauge("edge_waiting_purchases", "Purchases that wait at this edge to be stored.", publisher.waiting())
        setGauge("broker_connected", "1 while the broker can be reached, else 0.", broker.isConnected() ? 1 : 0)
      })
    )
  })
)
