// The program of the floor of HTTP, which shows the cost of a request before any work on the request. The program of
// the floor of HTTP stores nothing.
import { serve } from "@hono/node-server"
import { Hono } from "hono"
import { httpServerOptions } from "./Protocol.ts"

/** The message of the floor of HTTP to the benchmark. */
export interface HttpFloorMessage {
  readonly kind: "listening"
  readonly port: number
}

const app = new Hono()

app.post("/purchases", async (http) => {
  const purchase = await http.req.json()
  const location = `/users/${purchase.userId}/purchases/${purchase.purchaseId}`
  return http.json({ ...purchase, status: "stored" }, 202, { location })
})

app.get("/users/:id/total", (http) =>
  http.body(`{"userId":"${http.req.param("id")}","total":0.00,"purchaseCount":0}`, 200, {
    "content-type": "application/json"
  })
)

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0, serverOptions: httpServerOptions }, ({ port }) => {
  process.send?.({ kind: "listening", port } satisfies HttpFloorMessage)
})

// The benchmark ends this process by a signal, and a broken channel means that the benchmark is gone.
process.once("disconnect", () => process.exit(1))
