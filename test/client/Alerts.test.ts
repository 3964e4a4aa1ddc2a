import { beforeAll, describe, expect, it } from "vitest"
import type { BackTestEvent } from "../../src/client/BackTestReader.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { alertByHand, alertOf } from "../support/AlertsByHand.ts"
import { serve } from "../support/TestServer.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { useService } from "../support/TestService.ts"

const service = useService()
const server = startedBeforeAll(async () => {
  const { port, close } = await serve(service.edge.app)
  return { port, stop: close }
})
const clientWith = (fetcher: typeof fetch = fetch) =>
  new PurchaseClient({ url: `http://127.0.0.1:${server.port}`, fetch: fetcher, waitMilliseconds: 1 })

const idsOf = (alerts: ReadonlyArray<{ readonly id: string }>) => alerts.map(({ id }) => id)

describe("alerts of the client", () => {
  it("the client reads all pages of a user's alerts, with amounts as text", async () => {
    for (let sequence = 1; sequence <= 205; sequence += 1) {
      await alertByHand(service.client, alertOf({ owner: "many", sequence }))
    }
    const alerts = await Array.fromAsync(clientWith().alerts("many"))
    expect(alerts.map(({ id }) => Number(id.split(".")[0]))).toEqual(
      Array.from({ length: 205 }, (_, index) => 205 - index)
    )
    expect(alerts[0]).toMatchObject({
      owner: "many",
      rule: { threshold: "900.00" },
      purchase: { value: "899.00", total: "1798.00" },
      measured: { after: "899.00" }
    })
    const page = await clientWith().alertsPage("many", { limit: 3, through: 0 })
    expect(idsOf(page.alerts)).toEqual(idsOf(alerts.slice(0, 3)))
    expect(idsOf((await clientWith().alertsPage("many", { next: page.next })).alerts)).toEqual(
      idsOf(alerts.slice(3, 6))
    )
  })

  it("the client follows the alerts after an id, and goes on if the connection of the feed breaks", async () => {
    const first = await alertByHand(service.client, alertOf({ owner: "ann", sequence: 1 }))
    for (let sequence = 2; sequence <= 3; sequence += 1) {
      await alertByHand(service.client, alertOf({ owner: "ann", sequence }))
    }
    let asked = 0
    /** Ends each answer after its first event with data. */
    const breaking: typeof fetch = async (...request) => {
      asked += 1
      const answer = await fetch(...request)
      let isOver = false
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          if (isOver) return
          const text = new TextDecoder().decode(chunk)
          const end = text.indexOf("\n\n", text.indexOf("data:"))
          isOver = text.includes("data:")
          controller.enqueue(isOver ? new TextEncoder().encode(text.slice(0, end + 2)) : chunk)
          if (isOver) controller.terminate()
        }
      })
      return new Response(answer.body?.pipeThrough(cut) ?? null, { headers: answer.headers })
    }
    const told: Array<string> = []
    for await (const event of clientWith(breaking).followAlerts({ userId: "ann", after: String(first - 1) })) {
      if (event.kind === "alerts") told.push(...idsOf(event.told.alerts))
      if (told.length === 3) break
    }
    expect(told).toEqual(["1.2.0.17", "2.2.0.17", "3.2.0.17"])
    expect(asked).toBe(3)
  })
})

describe("back-tests of the client", () => {
  const rule = { measure: "quantity", is: "greater-or-equal", threshold: "2" } as const
  beforeAll(async () => {
    const client = clientWith()
    for (let index = 0; index < 6; index += 1) {
      const purchase = {
        userId: "bob",
        productName: "Lamp",
        productType: "Office",
        value: 100n,
        quantity: 1 + (index % 2)
      }
      await client.post({ ...purchase, purchaseId: `p${index}` }, { waitSeconds: 5 })
    }
  })

  const purchaseIds = (events: ReadonlyArray<BackTestEvent>) =>
    events.flatMap((event) => (event.kind === "alert" ? [event.alert.purchase.purchaseId] : []))
  const complete = { kind: "progress", matches: 3, purchases: 6, isComplete: true }

  it("the client tests a rule before and after it is stored", async () => {
    const client = clientWith()
    const given = await Array.fromAsync(client.backTest("bob", rule, { from: "2020-01-01T00:00:00Z" }))
    expect(given[0]).toEqual({
      kind: "rule",
      inWords: "Alert when you buy 2 or more of anything in one purchase."
    })
    expect(purchaseIds(given)).toEqual(["p1", "p3", "p5"])
    expect(given.at(-1)).toEqual(complete)
    await client.putRule("bob", "pairs", rule)
    const stored = await Array.fromAsync(client.backTest("bob", "pairs"))
    expect(purchaseIds(stored)).toEqual(["p1", "p3", "p5"])
    const none = await Array.fromAsync(client.backTest("bob", "pairs", { to: "2020-01-01T00:00:00Z" }))
    expect(none.slice(1)).toEqual([{ kind: "progress", matches: 0, purchases: 0, isComplete: true }])
  })

  it("a back-test whose answer breaks off in the middle of a line goes on, and gives no alert twice", async () => {
    let asked = 0
    const breaking: typeof fetch = async (...request) => {
      asked += 1
      const answer = await fetch(...request)
      const text = await answer.text()
      const secondLine = text.indexOf("\n", text.indexOf("\n") + 1)
      return new Response(
        asked === 1 ? text.slice(0, secondLine - 5) : asked === 2 ? text.slice(0, secondLine + 1) : text
      )
    }
    const events = await Array.fromAsync(clientWith(breaking).backTest("bob", rule))
    expect(purchaseIds(events)).toEqual(["p1", "p3", "p5"])
    expect(events.filter(({ kind }) => kind === "rule")).toHaveLength(1)
    expect(events.at(-1)).toEqual(complete)
    expect(asked).toBe(3)
  })

  it("a back-test adds up the numbers of its requests, and follows next below the path of the client's URL", async () => {
    const asked: Array<string> = []
    const line = { id: "1.1.0.0", purchase: {}, measured: {} }
    const answers = [
      [line, { matches: 1, purchases: 10, next: "/prefix/users/bob/backtest?from=x&cursor=c" }],
      [{ matches: 0, purchases: 5 }]
    ]
    const fetcher = async (request: Request | string | URL) => {
      asked.push(new URL((request as Request).url).pathname + new URL((request as Request).url).search)
      return new Response((answers[asked.length - 1] ?? []).map((one) => `${JSON.stringify(one)}\n`).join(""))
    }
    const events = await Array.fromAsync(clientWith(fetcher as typeof fetch).backTest("bob", rule))
    expect(events.filter(({ kind }) => kind === "progress")).toEqual([
      { kind: "progress", matches: 1, purchases: 10, isComplete: false },
      { kind: "progress", matches: 1, purchases: 15, isComplete: true }
    ])
    expect(asked).toEqual(["/users/bob/backtest", "/users/bob/backtest?from=x&cursor=c"])
  })

  it("a back-test of a wrong or unknown rule fails with the problem of the service", async () => {
    const wrong = { ...rule, threshold: "1.5" }
    await expect(clientWith().backTest("bob", wrong).next()).rejects.toMatchObject({ kind: "refused-by-rules" })
    await expect(clientWith().backTest("bob", "unknown").next()).rejects.toMatchObject({ kind: "not-found" })
  })
})
