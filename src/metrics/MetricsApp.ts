import type { Effect } from "effect"
import { Hono } from "hono"
import { metricsResponse } from "./Exposition.ts"
import { wantedFormat } from "./MetricsFormat.ts"
import { metricsMediaTypes } from "./MetricsText.ts"

/** Makes the HTTP application of a process without an edge. The application serves only the metrics of the process. */
export const metricsApp = (run: (effect: Effect.Effect<Response>) => Promise<Response>): Hono =>
  new Hono().get("/metrics", async (http) => {
    const format = wantedFormat(http)
    if (format !== undefined) return run(metricsResponse(format))
    return http.text(`Metrics are ${Object.values(metricsMediaTypes).join(" or ")}.\n`, 406)
  })
