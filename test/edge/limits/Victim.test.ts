import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { startService, type TestService } from "../../support/TestService.ts"
import { serve, type TestServer } from "../../support/TestServer.ts"
import { bearer, TestTokens } from "../../support/TestTokens.ts"

const purchases = 5_000
const greedyLanes = 200
const victimRequests = 40

describe("an honest caller beside a greedy one", () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  let victim: string
  let greedy: string
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens", PARTITIONS: "1" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
    victim = await tokens.create({ name: "victim" })
    greedy = await tokens.create({ name: "greedy" })
    await until("the edge knows the tokens", async () => (await service.get("/status", bearer(greedy))).status === 200)
    await ask("POST", `/generate/${purchases}/rich`, victim)
    await until("the purchases are applied", async () =>
      (await (await ask("GET", "/users/rich/total", victim)).text()).includes(`"purchaseCount":${purchases}`)
    )
  })
  afterAll(async () => {
    await server.close()
    await tokens.stop()
    await service.stop()
  })

  const ask = (method: string, path: string, token: string, body?: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: { ...bearer(token), "content-type": "application/json" },
      ...(body === undefined ? {} : { body })
    })
  const statusOf = async (answer: Promise<Response>): Promise<number> => {
    const { status, body } = await answer
    await body?.cancel()
    return status
  }

  /** Makes the requests of an honest caller one after the other, and returns the statuses of the answers. */
  const asVictim = async (): Promise<ReadonlyArray<number>> => {
    const statuses: Array<number> = []
    for (let number = 0; number < victimRequests; number += 1) {
      const bought = { userId: "poor", productName: "Lamp", productType: "Office", value: 1, quantity: 1 }
      statuses.push(await statusOf(ask("POST", "/purchases", victim, JSON.stringify(bought))))
      statuses.push(await statusOf(ask("GET", "/users/poor/total", victim)))
      statuses.push(await statusOf(ask("GET", "/users/poor/purchases", victim)))
    }
    return statuses
  }

  it.each(["/users/rich/purchases?limit=1000", "/users/rich/spending?by=hour"])(
    "every request of an honest caller is served while another caller reads %s as fast as it can",
    async (path) => {
      const over = new AbortController()
      let asked = 0
      const lanes = Array.from({ length: greedyLanes }, async () => {
        while (!over.signal.aborted) {
          await statusOf(ask("GET", path, greedy))
          asked += 1
        }
      })
      const statuses = await asVictim()
      over.abort()
      await Promise.all(lanes)
      expect(new Set(statuses)).toEqual(new Set([202, 200]))
      expect(asked).toBeGreaterThan(greedyLanes)
    }
  )
})
