import { describe, expect, it } from "vitest"
import { NoAnswer, ProblemError } from "../../src/client/Failure.ts"
import type { NewReversal } from "../../src/client/NewReversal.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { serve } from "../support/TestServer.ts"
import { useService } from "../support/TestService.ts"

const service = useService()
// A feed needs a socket.
const server = startedBeforeAll(() => serve(service.edge.app))

type Ask = (request: Request, attempt: number) => Response | Promise<Response>

/** Returns a client that does not wait between attempts. `ask` stands between the client and the service. */
const clientOf = (ask: Ask = (request) => service.edge.app.fetch(request)) => {
  let attempts = 0
  const client = new PurchaseClient({
    url: "http://ledger/",
    fetch: (request) => ask(request, (attempts += 1)),
    sleep: async () => undefined
  })
  return { client, attempts: () => attempts }
}

const { client } = clientOf()
const waiting = { waitSeconds: 10 }

/** Buys 3 lamps at 23.45 for a user. */
const buy = (userId: string) =>
  client.post(
    { userId, purchaseId: "p1", productName: "Lamp", productType: "Office", value: "23.45", quantity: 3 },
    waiting
  )
const returned = (userId: string, members: Partial<NewReversal> = {}): NewReversal => ({
  userId,
  purchaseId: "p1",
  quantity: 1,
  reason: "broken",
  ...members
})

const unavailable = () =>
  Response.json(
    { type: "urn:purchase-ledger:problem:unavailable", title: "t", status: 503, detail: "not now", instance: "/" },
    { status: 503 }
  )

const failureOf = (promise: Promise<unknown>): Promise<unknown> => promise.catch((failure: unknown) => failure)

describe("a reversal", () => {
  it("a reversal is found in total, history, receipts and feed with exact amounts", async () => {
    await buy("ann")
    const posted = await client.reverse(returned("ann", { reversalId: "r1" }), waiting)
    expect(posted).toMatchObject({
      kind: "reversal",
      reversalId: "r1",
      purchaseId: "p1",
      status: "applied",
      quantity: 1,
      amount: "-23.45",
      runningTotal: "46.90"
    })
    expect(await client.total("ann")).toMatchObject({ total: "46.90", purchaseCount: 1, reversalCount: 1 })
    const { purchases } = await client.historyPage("ann")
    expect(purchases).toMatchObject([
      { number: 2, kind: "reversal", reversalId: "r1", purchaseId: "p1", total: "-23.45", amount: "-23.45" },
      { number: 1, purchaseId: "p1", total: "70.35" }
    ])
    expect(purchases[1]).not.toHaveProperty("kind")
    expect(await client.receipt("ann", "p1")).toMatchObject({
      reversed: 1,
      left: 2,
      reversals: [{ reversalId: "r1", quantity: 1, amount: "-23.45", reason: "broken" }]
    })
    expect(await client.reversalReceipt("ann", "r1")).toMatchObject({ amount: "-23.45", repeatsDropped: 0 })
    expect(await client.reversalsPage("ann", "p1")).toMatchObject({
      quantity: 3,
      left: 2,
      reversals: [{ quantity: 1 }]
    })
    const found = []
    for await (const { reversalId } of client.reversals("ann", "p1")) found.push(reversalId)
    expect(found).toEqual(["r1"])
    const events = []
    const feed = new PurchaseClient({ url: `http://127.0.0.1:${server.port}` }).feed({ userId: "ann", after: "0" })
    for await (const event of feed) if (events.push(event) === 2) break
    expect(events).toMatchObject([
      { kind: "applied", applied: { purchases: [{ purchaseId: "p1" }], total: "70.35" } },
      { kind: "applied", applied: { purchases: [], reversals: [{ reversalId: "r1" }], total: "46.90" } }
    ])
    expect(events[0]).not.toHaveProperty("applied.reversals")
  })

  it("a reversal without a quantity takes back all pieces that are left", async () => {
    await buy("bea")
    const { quantity: _quantity, ...all } = returned("bea")
    expect(await client.reverse(all, waiting)).toMatchObject({ quantity: 3, amount: "-70.35", runningTotal: "0.00" })
    await buy("bob")
    const { quantity: _none, ...stored } = returned("bob")
    const posted = await client.reverse(stored)
    expect(posted).toMatchObject({ status: "stored", purchaseId: "p1" })
    expect(posted).not.toHaveProperty("quantity")
  })

  it("a reversal that gets 503 or no answer is sent again under the same id, and counts once", async () => {
    await buy("cid")
    const ids = new Set<unknown>()
    const failing = clientOf(async (request, attempt) => {
      ids.add(((await request.clone().json()) as NewReversal).reversalId)
      if (attempt === 1) return unavailable()
      const answer = await service.edge.app.fetch(request)
      // The reversal is stored, and the answer is lost.
      if (attempt === 2) throw new TypeError("terminated")
      return answer
    })
    const posted = await failing.client.reverse(returned("cid"), waiting)
    expect(posted).toMatchObject({ status: "applied", repeat: true })
    expect({ attempts: failing.attempts(), ids: ids.size }).toEqual({ attempts: 3, ids: 1 })
    expect(await client.total("cid")).toMatchObject({ total: "46.90", reversalCount: 1 })
  })

  it("a reversal of the last pieces is sent again after a lost answer, and is a repeat, not a refusal", async () => {
    await buy("dan")
    const failing = clientOf(async (request, attempt) => {
      const answer = await service.edge.app.fetch(request)
      if (attempt === 1) throw new TypeError("terminated")
      return answer
    })
    expect(await failing.client.reverse(returned("dan", { quantity: 3 }), waiting)).toMatchObject({ repeat: true })
  })

  it("a reversal of too many pieces fails with the number of pieces left, and is not sent again", async () => {
    await buy("eve")
    const once = clientOf()
    const failure = await failureOf(once.client.reverse(returned("eve", { quantity: 4 })))
    expect(failure).toBeInstanceOf(ProblemError)
    expect(failure).toMatchObject({
      kind: "more-than-left",
      status: 422,
      problem: { left: 3 },
      unansweredReversals: []
    })
    expect(once.attempts()).toBe(1)
  })

  it.each([
    ["of an unknown purchase", { purchaseId: "p9" }, { kind: "not-found", status: 404 }],
    ["without a reason", { reason: "" }, { kind: "refused-by-rules", status: 422 }],
    ["of no pieces", { quantity: 0 }, { kind: "refused-by-rules", status: 422 }],
    ["under a used id", { reversalId: "r1", reason: "late" }, { kind: "conflicting-reversal", status: 409 }]
  ])("a reversal %s is refused, and changes nothing", async (_what, members, expected) => {
    await buy("fay")
    await client.reverse(returned("fay", { reversalId: "r1" }), waiting)
    expect(await failureOf(client.reverse(returned("fay", members), waiting))).toMatchObject(expected)
    expect(await client.total("fay")).toMatchObject({ total: "46.90", reversalCount: 1 })
  })

  it("a reversal that is given up may be stored, so its failure has the reversal with its id", async () => {
    const gone = clientOf(() => Promise.reject(new TypeError("fetch failed")))
    const failure = await failureOf(gone.client.reverse(returned("gus")))
    expect(failure).toBeInstanceOf(NoAnswer)
    expect(failure).toMatchObject({
      unanswered: [],
      unansweredReversals: [{ ...returned("gus"), reversalId: expect.stringMatching(/^[0-9a-f-]{36}$/) }]
    })
  })

  it("the receipt of a reversal that is not applied fails as not found", async () => {
    expect(await failureOf(client.reversalReceipt("ann", "r9"))).toMatchObject({ kind: "not-found" })
  })
})
