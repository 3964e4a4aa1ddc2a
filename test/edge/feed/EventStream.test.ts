import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http"
import { once } from "node:events"
import { Effect } from "effect"
import { Context } from "hono"
import { type Observable, Subject } from "rxjs"
import { afterEach, describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../../src/protocol/BrokerError.ts"
import { behindCommit } from "../../../src/protocol/FeedPlace.ts"
import { encodeRevision } from "../../../src/protocol/RevisionCodec.ts"
import { EventBytes, purchaseEvents, readerBytesMax } from "../../../src/edge/runtime/EventBytes.ts"
import { sendEvents } from "../../../src/edge/feed/EventStream.ts"
import type { FeedItem } from "../../../src/feed/FeedItem.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"

const revision = (line: number, nameLength = 10) => ({
  userToken: "ann=40x",
  place: { sequence: 4, line },
  storedAt: 1_000,
  text: encodeRevision("ann=40x", {
    total: 9_007_199_254_740_993n,
    count: 7,
    reversals: 0,
    decidedThrough: 5,
    purchases: [
      {
        purchaseId: "p1",
        productName: "L".repeat(nameLength),
        productType: "Office",
        valueCents: 1_250n,
        quantity: 2,
        inputSequence: 5,
        inputIndex: 0,
        storedAt: 500
      }
    ],
    repeats: new Map([["p0", { repeats: 2, conflicts: 1 }]]),
    previous: [],
    unsealed: 1,
    segment: 0
  })
})

const applied = (...lines: ReadonlyArray<number>): FeedItem => ({
  kind: "messages",
  messages: lines.map((line) => revision(line))
})

const closers: Array<() => void> = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that sends one feed, and its reader. */
const connected = async (open: (ready: () => Promise<void>) => Observable<FeedItem>) => {
  const answered = Promise.withResolvers<{ readonly outgoing: ServerResponse; readonly sent: Promise<unknown> }>()
  const server = createServer((_incoming, outgoing) => {
    const http = new Context(new Request("http://x/feed"), { env: { outgoing } })
    answered.resolve({
      outgoing,
      sent: Effect.runPromiseExit(sendEvents({}, http, new EventBytes(purchaseEvents), open))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  const asking = get({ port, host: "127.0.0.1", agent: false })
  asking.on("error", () => undefined)
  closers.push(() => {
    asking.destroy()
    server.close()
    server.closeAllConnections()
  })
  return { ...(await answered.promise), asking }
}

const responseTo = async (asking: ReturnType<typeof get>) => {
  const [response] = (await once(asking, "response")) as [IncomingMessage]
  response.on("error", () => undefined)
  return response
}

const large: FeedItem = { kind: "messages", messages: [revision(1, 20_000)] }

/**
 * Sends items to a reader that takes nothing, until the feed waits for the reader. The socket gets turns in which it
 * takes the bytes that it can take.
 */
const fill = async (items: Subject<FeedItem>, outgoing: ServerResponse) => {
  for (let sent = 0; !outgoing.writableNeedDrain && sent < 10_000; sent += 1) {
    items.next(large)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe("A feed on a socket", () => {
  it("a feed is written as server-sent events with exact amounts", async () => {
    const items = new Subject<FeedItem>()
    const { asking } = await connected(() => items)
    items.next({ kind: "start", place: behindCommit(3) })
    const response = await responseTo(asking)
    items.next(applied(1, 12))
    items.next({ kind: "heartbeat" })
    items.next({ kind: "reset", place: { sequence: 9, line: 2 }, reason: "beyond-the-end" })
    items.next({ kind: "end", reason: "stopping" })
    let text = ""
    for await (const chunk of response) text += String(chunk)
    expect({
      statusCode: response.statusCode,
      contentType: response.headers["content-type"],
      cacheControl: response.headers["cache-control"]
    }).toEqual({ statusCode: 200, contentType: "text/event-stream", cacheControl: "no-store" })
    const data =
      '{"userId":"ann@x","purchases":[{"number":7,"purchaseId":"p1","userId":"ann@x","productName":"LLLLLLLLLL",' +
      '"productType":"Office","value":12.50,"quantity":2,"total":25.00,"runningTotal":90071992547409.93,"storedAt":"1970-01-01T00:00:00.500Z"}],' +
      '"repeats":[{"purchaseId":"p0","repeatsDropped":2,"conflictsRejected":1}],' +
      '"total":90071992547409.93,"currency":"USD","purchaseCount":7,"reversalCount":0,"appliedAt":"1970-01-01T00:00:01.000Z"}'
    expect(text.split("\n\n")).toEqual([
      "retry: 1000\nid: 3",
      `id: 4.1\ndata: ${data}`,
      `id: 4.12\ndata: ${data}`,
      ": still here",
      'retry: 1000\nevent: reset\nid: 9.2\ndata: {"reason":"beyond-the-end","detail":"The last id is beyond the end of the ledger. The feed goes on after 9.2.","id":"9.2"}',
      'event: end\ndata: {"reason":"stopping","detail":"This edge is stopping. Ask again with the last id."}',
      ""
    ])
  })

  it("a feed skips a line that is no revision", async () => {
    const items = new Subject<FeedItem>()
    const { asking } = await connected(() => items)
    items.next({ kind: "start", place: behindCommit(3) })
    const response = await responseTo(asking)
    items.next({ kind: "messages", messages: [{ ...revision(4), text: "by hand" }, revision(5)] })
    items.next({ kind: "messages", messages: [{ ...revision(6), text: "" }] })
    items.next({ kind: "messages", messages: [{ ...revision(7), userToken: "=FF" }] })
    items.next({ kind: "end", reason: "stopping" })
    let text = ""
    for await (const chunk of response) text += String(chunk)
    expect(text.match(/^id: .*$/gm)).toEqual(["id: 3", "id: 4.5"])
  })

  it("a feed that cannot be opened fails before its beginning", async () => {
    const items = new Subject<FeedItem>()
    const { sent, outgoing } = await connected(() => items)
    const failure = new BrokerUnavailable({ operation: "read the journal", reason: "not connected" })
    items.error(failure)
    expect(await sent).toMatchObject({ cause: { reasons: [{ error: failure }] } })
    expect(outgoing.headersSent).toBe(false)
  })

  it("a feed is closed when its reader goes away", async () => {
    const items = new Subject<FeedItem>()
    const { asking } = await connected(() => items)
    items.next({ kind: "start", place: behindCommit(3) })
    await responseTo(asking)
    asking.destroy()
    await until("nobody listens", () => !items.observed)
  })

  it("a feed is closed if its reader goes away before the answer has begun", async () => {
    const items = new Subject<FeedItem>()
    const { asking, sent } = await connected(() => items)
    asking.destroy()
    expect(await sent).toMatchObject({ _tag: "Failure" })
    expect(items.observed).toBe(false)
  })

  it("a feed whose reader reads nothing ends with a reason, before many bytes wait for the reader", async () => {
    const items = new Subject<FeedItem>()
    const { asking, outgoing } = await connected(() => items)
    items.next({ kind: "start", place: behindCommit(0) })
    const response = await responseTo(asking)
    response.pause()
    let most = 0
    for (let sent = 0; items.observed && sent < 10_000; sent += 1) {
      items.next(large)
      most = Math.max(most, outgoing.writableLength)
      // The socket gets a turn in which it takes the bytes that it can take.
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(items.observed).toBe(false)
    expect(most).toBeGreaterThan(readerBytesMax)
    expect(most).toBeLessThan(readerBytesMax + 2 * 21_000)
    let text = ""
    for await (const chunk of response) text += String(chunk)
    expect(text.slice(text.lastIndexOf("event:"))).toBe(
      `event: end\ndata: {"reason":"too-slow","detail":"More than ${readerBytesMax} bytes waited to be read, or none were read for some time. Ask again with the last id."}\n\n`
    )
  })

  it("a feed is ended for a reader who took nothing from one heartbeat to the next heartbeat", async () => {
    const items = new Subject<FeedItem>()
    const { asking, outgoing } = await connected(() => items)
    items.next({ kind: "start", place: behindCommit(0) })
    const response = await responseTo(asking)
    response.pause()
    await fill(items, outgoing)
    items.next({ kind: "heartbeat" })
    expect(items.observed).toBe(true)
    items.next({ kind: "heartbeat" })
    expect(items.observed).toBe(false)
  })

  it("a feed does not cut off a slow reader who still reads older events", async () => {
    const items = new Subject<FeedItem>()
    let ready = async () => undefined as void
    const { asking, outgoing } = await connected((given) => {
      ready = given
      return items
    })
    items.next({ kind: "start", place: behindCommit(0) })
    const response = await responseTo(asking)
    await ready()
    response.pause()
    await fill(items, outgoing)
    let isReady = false
    const waiting = ready().then(() => (isReady = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isReady).toBe(false)
    response.resume()
    await waiting
    expect(items.observed).toBe(true)
  })
})
