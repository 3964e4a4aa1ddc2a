import type { Effect } from "effect"
import { Hono } from "hono"
import { exposition, expositionMediaType } from "./Exposition.ts"

/** What a process without an edge serves: its metrics, and nothing else. */
export const metricsApp = (run: (effect: Effect.Effect<string>) => Promise<string>): Hono =>
  new Hono().get("/metrics", async (http) =>
    http.body(await run(exposition), 200, { "content-type": expositionMediaType })
  )
