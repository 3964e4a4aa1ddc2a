import { beforeAll, describe, expect, it } from "vitest"
import { commitByHand } from "../support/CommitByHand.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { exactJson } from "../../src/harness/system/Shopper.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startEdge } from "../../src/harness/system/TestLedger.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { purchaseText, refusal, seen, startService, useService } from "../support/TestService.ts"

const service = useService()
const served = startedBeforeAll(() => serveEdge(service.edge))

const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${served.port}${path}`, init)

describe("the feed of a user", () => {
  it("the feed of a user has each purchase as it is applied, with the amounts and number of its receipt", async () => {
    const reader = await served.open("/users/ann@x.org/feed")
    const others = await served.open("/users/bob/feed")
    const answers = []
    for (const [purchaseId, value] of [
      ["p1", 12.5],
      ["p2", 0.01]
    ] as const) {
      const text = purchaseText({ userId: "ann@x.org", purchaseId, value })
      answers.push(exactJson((await service.post(text, { prefer: "wait=5" })).body))
    }
    await until("both are told", () => reader.purchaseIds.length === 2)
    expect(reader.applied.map(({ data }) => data)).toEqual(
      answers.map(({ status: _status, currency, ...purchase }, index) => ({
        userId: "ann@x.org",
        purchases: [{ ...purchase, number: index + 1, storedAt: expect.stringMatching(/^20.*Z$/) }],
        repeats: [],
        total: purchase.runningTotal,
        currency,
        purchaseCount: index + 1,
        reversalCount: 0,
        appliedAt: expect.stringMatching(/^20.*Z$/)
      }))
    )
    const receipt = exactJson((await service.get("/users/ann@x.org/purchases/p2")).body)
    expect(reader.lastEventId).toBe(`${receipt.ledgerSequence}.1`)
    expect(others.applied).toEqual([])
    reader.close()
    others.close()
  })

  it("the feed of a user has the counts of repeats and conflicts", async () => {
    const reader = await served.open("/users/carl/feed")
    await service.post(purchaseText({ userId: "carl", purchaseId: "p1" }), { prefer: "wait=5" })
    await service.post(purchaseText({ userId: "carl", purchaseId: "p1", quantity: 3 }), { prefer: "wait=5" })
    await until("it is told", () => reader.applied.length === 2)
    expect(reader.applied[1]?.data).toMatchObject({
      purchases: [],
      repeats: [{ purchaseId: "p1", repeatsDropped: 0, conflictsRejected: 1 }],
      total: 2_500n,
      purchaseCount: 1
    })
    reader.close()
  })

  it("the feed of a user goes on after Last-Event-ID, and is reset if no event has that id", async () => {
    for (const purchaseId of ["p1", "p2", "p3"]) {
      await service.post(purchaseText({ userId: "dora", purchaseId }), { prefer: "wait=5" })
    }
    const all = await served.open("/users/dora/feed", "0")
    await until("all is told", () => all.purchaseIds.length === 3)
    const [first] = all.applied
    const rest = await served.open("/users/dora/feed", first?.id)
    await until("the rest is told", () => rest.purchaseIds.length === 2)
    expect(rest.applied).toEqual(all.applied.slice(1))
    expect(rest.events[0]).toEqual({ name: "message", id: first?.id })
    const beyond = await served.open("/users/dora/feed", "1000000")
    const wrong = await served.open("/users/dora/feed", "p1")
    expect([beyond, wrong].map(({ events: [event] }) => [event?.name, event?.data.reason])).toEqual([
      ["reset", "beyond-the-end"],
      ["reset", "not-a-sequence"]
    ])
    for (const reader of [all, rest, beyond, wrong]) reader.close()
  })
})

describe("the parameter lastEventId", () => {
  beforeAll(async () => {
    for (const purchaseId of ["p1", "p2", "p3"]) {
      await service.post(purchaseText({ userId: "fay", purchaseId }), { prefer: "wait=5" })
    }
  })

  it.each(["/feed", "/users/fay/feed"])("the parameter lastEventId does what the header does on %s", async (path) => {
    const all = await served.open("/users/fay/feed?lastEventId=0")
    await until("all is told", () => all.purchaseIds.length === 3)
    const first = all.applied[0]?.id
    const rest = await served.open(`${path}?lastEventId=${first}`)
    await until("the rest is told", () => rest.purchaseIds.length === 2)
    expect(rest.events).toEqual([{ name: "message", id: first }, ...all.applied.slice(1)])
    for (const reader of [all, rest]) reader.close()
  })

  it("the header wins over the parameter, since a browser reconnects with the header and the old URL", async () => {
    const all = await served.open("/users/fay/feed", "0")
    await until("all is told", () => all.purchaseIds.length === 3)
    const [, second, third] = all.applied
    const rest = await served.open("/users/fay/feed?lastEventId=0", second?.id)
    await until("the rest is told", () => rest.purchaseIds.length === 1)
    expect(rest.events).toEqual([{ name: "message", id: second?.id }, third])
    for (const reader of [all, rest]) reader.close()
  })

  it("an empty lastEventId asks for future commits, and a wrong lastEventId gets a reset", async () => {
    const empty = await served.open("/users/fay/feed?lastEventId=")
    expect(empty.events).toEqual([{ name: "message", id: expect.stringMatching(/^[0-9]+(?:\.[0-9]+)?$/) }])
    const wrong = await served.open("/users/fay/feed?lastEventId=p1")
    expect(wrong.events[0]).toMatchObject({
      name: "reset",
      data: { reason: "not-a-sequence", detail: expect.stringMatching(/^The last id is not an id of this feed\./) }
    })
    for (const reader of [empty, wrong]) reader.close()
  })
})

describe("a request for a feed", () => {
  it.each(["/feed", "/users/ann/feed"])(
    "a request for a feed is refused if its Accept header allows no server-sent events (%s)",
    async (path) => {
      for (const accept of ["application/json", "text/html", "text/event-stream;q=0"]) {
        const answer = await seen(service.edge.app.request(path, { headers: { accept } }))
        expect(answer).toEqual(refusal("not-acceptable", "Answers are text/event-stream.", path))
      }
      for (const accept of ["text/event-stream", "text/*", "*/*", "text/html, text/event-stream;q=0.5"]) {
        expect((await service.edge.app.request(path, { method: "HEAD", headers: { accept } })).status).toBe(200)
      }
    }
  )

  it("a request for a feed with HEAD gets the headers and no feed", async () => {
    const answer = await ask("/feed", { method: "HEAD" })
    expect({ status: answer.status, contentType: answer.headers.get("content-type") }).toEqual({
      status: 200,
      contentType: "text/event-stream"
    })
    expect(await answer.text()).toBe("")
  })

  it("a request for a feed of an invalid user id is refused", async () => {
    const answer = await ask("/users/..%2F/feed", { headers: { accept: "text/event-stream" } })
    expect(answer.status).toBe(422)
    expect(answer.headers.get("content-type")).toBe("application/problem+json")
  })

  it("a request for a feed with another method is refused", async () => {
    const answer = await ask("/feed", { method: "POST", body: "x", headers: { accept: "*/*" } })
    expect({ status: answer.status, allow: answer.headers.get("allow") }).toEqual({ status: 405, allow: "GET, HEAD" })
  })
})

describe("an edge with open feeds", () => {
  it("an edge that stops ends its feeds with a reason, and opens no feed", async () => {
    const edge = await startEdge(service.settings)
    const stopping = await serveEdge(edge)
    const [all, ann] = [await stopping.open("/feed"), await stopping.open("/users/ann/feed")]
    edge.drain()
    await until("both have ended", () => all.hasEnded && ann.hasEnded)
    for (const { events } of [all, ann]) {
      expect(events.at(-1)).toMatchObject({ name: "end", data: { reason: "stopping" } })
    }
    expect(await seen(edge.app.request("/feed"))).toEqual(
      refusal("unavailable", "This edge is stopping.", "/feed", { "retry-after": "1", connection: "close" })
    )
    await stopping.close()
    await edge.stop()
  })

  it("an edge without a broker opens no feed, and keeps the open feeds until the broker is back", async () => {
    const other = await startEdge(service.settings)
    const reader = await served.open("/users/eve/feed")
    await service.post(purchaseText({ userId: "eve", purchaseId: "before" }), { prefer: "wait=5" })
    await until("it is told", () => reader.purchaseIds.length === 1)
    await service.broker.kill()
    await until("the edge knows", async () => (await other.app.request("/readyz")).status === 503)
    const detail =
      "Could not read the journal: the broker is not available (not connected). Nothing was changed; try again."
    const without = await serveEdge(other)
    expect(await seen(fetch(`http://127.0.0.1:${without.port}/feed`))).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: refusal("unavailable", detail, "/feed").body
    })
    await service.broker.run()
    await until("purchases are applied again", async () => {
      const answer = await service.post(purchaseText({ userId: "eve", purchaseId: "after" }), { prefer: "wait=5" })
      return answer.status === 201
    })
    await until("it is told", () => reader.purchaseIds.length === 2)
    expect(reader.purchaseIds).toEqual(["before", "after"])
    reader.close()
    await without.close()
    await other.stop()
  })

  it("an edge without a worker ends a feed that reads older events; a reader that returns misses no event", async () => {
    const alone = await startService({ withoutWorker: true })
    const edge = await serveEdge(alone.edge)
    const line = (userId: string, unsealed: number, previous: ReadonlyArray<number>) => {
      const empty = {
        total: 0n,
        count: 0,
        decidedThrough: 0,
        purchases: [],
        reversals: 0,
        repeats: new Map(),
        segment: 0
      }
      return { userId, revision: { ...empty, previous, unsealed } }
    }
    const [gil, hal] = [userIn(0, 2, "gil"), userIn(0, 2, "hal")]
    const first = await commitByHand(alone.client, 2, [line(gil, 1, []), line(hal, 1, [])])
    const second = await commitByHand(alone.client, 2, [line(gil, 2, [first]), line(hal, 2, [first])])
    const path = `/users/${hal}/feed`
    const [late, live, ofAll] = [
      await edge.open(path, `${first}.1`),
      await edge.open(path),
      await edge.open("/feed", "0")
    ]
    await until("it has ended", () => late.hasEnded)
    expect(late.events.at(-1)).toMatchObject({ name: "end", data: { reason: "unavailable" } })
    expect({ lastEventId: late.lastEventId, hasEnded: live.hasEnded }).toEqual({
      lastEventId: `${first}.1`,
      hasEnded: false
    })
    const ids = (reader: typeof late) => reader.applied.map(({ id }) => id)
    await until("all is told to who reads everything", () => ids(ofAll).length === 4)
    await alone.startWorker()
    await until("there is an owner", async () => (await alone.get(`/users/${hal}/total`)).status === 200)
    const back = await edge.open(path, late.lastEventId)
    await until("it has what it lacked", () => ids(back).length === 2)
    expect(ids(back)).toEqual([`${first}.2`, `${second}.2`])
    for (const reader of [live, ofAll, back]) reader.close()
    await edge.close()
    await alone.stop()
  })
})
