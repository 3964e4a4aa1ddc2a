import type { Hono } from "hono"
import { describe, expect, it } from "vitest"
import { bodiesOpenMax } from "../../../src/edge/runtime/LineBodies.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { appOn, refusal, seen, useService } from "../../support/TestService.ts"

describe("an edge that reads as many bodies of lines as it may", () => {
  const service = useService()

  /** Sends a body of lines without an end. Returns its answer, and the function that ends the body. */
  const beginOn = async (app: Hono) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const request = { method: "POST", body: readable, headers: { "content-type": "application/x-ndjson" } }
    const response = await app.request("/purchases", { ...request, duplex: "half" } as RequestInit)
    return { response, end: () => writable.close() }
  }
  const detail = `${bodiesOpenMax} bodies of purchases are read already. Nothing was stored.`
  const tooMany = refusal("unavailable", detail, "/purchases", { "retry-after": "1" })

  it("a full edge refuses a body of lines until another body ends, and another edge is not full then", async () => {
    const app = appOn(service.edge.services)
    const open = await Promise.all(Array.from({ length: bodiesOpenMax }, () => beginOn(app)))
    expect(open.map(({ response }) => response.status)).toEqual(open.map(() => 200))
    const { response: refused } = await beginOn(app)
    expect(refused.status).toBe(503)
    expect(await seen(refused)).toEqual(tooMany)

    const other = await beginOn(appOn(service.edge.services))
    expect(other.response.status).toBe(200)

    const [first, ...rest] = open
    await first?.end()
    expect(await first?.response.text()).toBe("")
    await until("there is room", async () => {
      const next = await beginOn(app)
      if (next.response.status === 200) rest.push(next)
      return next.response.status === 200
    })
    for (const { response, end } of [...rest, other]) {
      await end()
      await response.text()
    }
  })
})
