import { Effect, Layer } from "effect"
import type { MiddlewareHandler } from "hono"
import { whenAsked } from "../metrics/Exposition.ts"
import { requestAnswered, setGauge } from "../metrics/Measures.ts"
import { BrokerLink } from "../nats/BrokerLink.ts"
import { PurchasePublisher } from "./PurchasePublisher.ts"

/** Counts the requests of a route, and how long their answers took. */
export const measured =
  (route: string): MiddlewareHandler =>
  async (http, next) => {
    const began = performance.now()
    await next()
    requestAnswered(http.req.method, route, http.res.status, (performance.now() - began) / 1_000)
  }

/** What is looked up when the metrics of an edge are asked for. */
export const edgeMetricsLayer = Layer.effectDiscard(
  Effect.gen(function* () {
    const publisher = yield* PurchasePublisher
    const broker = yield* BrokerLink
    yield* whenAsked(
      Effect.sync(() => {
        setGauge("edge_waiting_purchases", "Purchases that wait at this edge to be stored.", publisher.waiting())
        setGauge("broker_connected", "1 while the broker can be reached, else 0.", broker.isConnected() ? 1 : 0)
      })
    )
  })
)
