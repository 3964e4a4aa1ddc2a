import { once } from "node:events"
import type { Socket } from "node:net"
import type { HttpBindings } from "@hono/node-server"
import { Hono } from "hono"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { CallerLimits, limitsDefault } from "../../../src/edge/limits/CallerLimits.ts"
import { networkOf } from "../../../src/edge/limits/CallerNetwork.ts"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { PurchaseLines } from "../../../src/edge/posting/LineReader.ts"
import { batchesOf, lineWithinMilliseconds, refusedInRowMax } from "../../../src/edge/posting/LineStream.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { open, rest, serve, type TestServer } from "../../support/TestServer.ts"
import { startService, type TestService } from "../../support/TestService.ts"
import { bearer, TestTokens } from "../../support/TestTokens.ts"

describe("the limits of callers", () => {
  const ann = { key: "token ann", limits: {} }
  const bob = { key: "token bob", limits: { reads: 1, pointsPerSecond: 5 } }

  it("a caller has a bounded number of requests in flight, and the bound may be in its token", () => {
    const limits = new CallerLimits({ ...limitsDefault, reads: 2 })
    const [first, second, third] = [limits.begin(ann, "reads"), limits.begin(ann, "reads"), limits.begin(ann, "reads")]
    expect([isProblem(first), isProblem(second), isProblem(third)]).toEqual([false, false, true])
    expect(isProblem(limits.begin(ann, "feeds"))).toBe(false)
    expect(isProblem(limits.begin(bob, "reads"))).toBe(false)
    expect(limits.begin(bob, "reads")).toMatchObject({
      status: 429,
      detail: "This caller has 1 reads open already. Wait for one of them to end.",
      headers: { "retry-after": "1", "ratelimit-policy": '"reads";q=1;qu="concurrent-requests"' }
    })
    if (!isProblem(first)) first()
    expect(isProblem(limits.begin(ann, "reads"))).toBe(false)
  })

  it("a caller that has spent its points of a second is refused, and other callers keep their points", async () => {
    const limits = new CallerLimits({ ...limitsDefault, pointsPerSecond: 100 })
    expect(await limits.spend(ann, 99)).toBeUndefined()
    expect(await limits.spend(ann, 1)).toBeUndefined()
    expect(await limits.spend(ann, 1)).toMatchObject({
      status: 429,
      detail: "This caller may spend 100 points in a second. Wait 1 s.",
      headers: { "retry-after": "1", "ratelimit-policy": '"points";q=100;w=1', ratelimit: '"points";r=0;t=1' }
    })
    expect(await limits.spend(bob, 1_000)).toBeUndefined()
    expect(await limits.spend(bob, 1)).toMatchObject({ headers: { "ratelimit-policy": '"points";q=5;w=1' } })
  })

  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"],
    ["2001:db8::1", "2001:db8::"],
    ["2001:db8:1:2::", "2001:db8:1:2::"],
    ["fe80::1%eth0", "fe80::"],
    ["::1", "::"],
    ["", ""]
  ])("the limits count the address %s as the network %s", (address, network) => {
    expect(networkOf(address)).toBe(network)
  })
})

describe("an edge with limits", () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens", LIMIT_LINE_BODIES: "1", LIMIT_FEEDS: "2" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
  })
  afterAll(async () => {
    await server.close()
    await tokens.stop()
    await service.stop()
  })

  const urlOf = (path: string): string => `http://127.0.0.1:${server.port}${path}`
  const known = async (rights: Parameters<TestTokens["create"]>[0] = {}): Promise<string> => {
    const token = await tokens.create(rights)
    await until("the edge knows the token", async () => {
      const answer = await service.edge.app.request("/session", { headers: bearer(token) })
      return "caller" in ((await answer.json()) as object)
    })
    return token
  }
  const get = (path: string, token: string, leave?: AbortController) =>
    fetch(urlOf(path), { headers: bearer(token), ...(leave === undefined ? {} : { signal: leave.signal }) })

  it("a caller without points left gets 429 with the caller's limit, and another caller is served", async () => {
    const [greedy, honest] = [await known({ limits: { pointsPerSecond: 50 } }), await known()]
    const answers = await Promise.all(Array.from({ length: 8 }, () => get("/users/ann/spending", greedy)))
    const refused = answers.find(({ status }) => status === 429)
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThan(8)
    expect(refused?.headers.get("retry-after")).toBe("1")
    expect(refused?.headers.get("ratelimit-policy")).toBe('"points";q=50;w=1')
    expect(await refused?.json()).toMatchObject({ type: "urn:purchase-ledger:problem:too-many-requests", status: 429 })
    expect((await get("/users/ann/spending", honest)).status).toBe(200)
  })

  it("a caller with two open feeds is refused another feed until one has ended", async () => {
    const [token, other] = [await known(), await known()]
    const leaves = [new AbortController(), new AbortController(), new AbortController()]
    const statusOf = async (one: string, leave?: AbortController) => (await get("/feed", one, leave)).status
    expect([await statusOf(token, leaves[0]), await statusOf(token, leaves[1])]).toEqual([200, 200])
    expect(await statusOf(token)).toBe(429)
    expect(await statusOf(other, leaves[2])).toBe(200)
    leaves[0]?.abort()
    await until("the caller has room", async () => {
      const leave = new AbortController()
      const status = await statusOf(token, leave)
      leave.abort()
      return status === 200
    })
    for (const leave of leaves) leave.abort()
  })

  it("a caller with an open body of lines is refused another body until the first has ended", async () => {
    const [token, other] = [await known(), await known()]
    const body = new TransformStream<Uint8Array, Uint8Array>()
    const writer = body.writable.getWriter()
    const post = (one: string, sent: RequestInit["body"]) =>
      fetch(urlOf("/purchases"), {
        method: "POST",
        headers: { ...bearer(one), "content-type": "application/x-ndjson" },
        body: sent ?? null,
        duplex: "half"
      } as RequestInit)
    const first = post(token, body.readable)
    await writer.write(new TextEncoder().encode("{}\n"))
    expect((await first).status).toBe(200)
    const refused = await post(token, "{}\n")
    expect([refused.status, (await post(other, "{}\n")).status]).toEqual([429, 200])
    await writer.close()
    await (await first).text()
    await until("the caller has room", async () => (await post(token, "{}\n")).status === 200)
  })

  it("a body of lines ends after a thousand refused lines in a row, and not after fewer", async () => {
    const token = await known()
    const linesOf = async (body: string) => {
      const answer = await service.edge.app.request("/purchases", {
        method: "POST",
        headers: { ...bearer(token), "content-type": "application/x-ndjson" },
        body
      })
      return (await answer.text()).trim().split("\n")
    }
    const good = `${JSON.stringify({ userId: "ann", productName: "Lamp", productType: "Office", value: 1, quantity: 1 })}\n`
    const bad = "{}\n".repeat(refusedInRowMax - 1)
    const some = await linesOf(bad + good + bad + good)
    expect(some).toHaveLength(2 * refusedInRowMax)
    expect(some.at(-1)).toMatch(/"status":"stored"/)
    const many = await linesOf("{}\n".repeat(200 * refusedInRowMax))
    expect(many.length).toBeLessThan(100 * refusedInRowMax)
    expect(many.at(-1)).toMatch(/"status":"ended".*1000 lines in a row were refused/)
  })
})

describe("a slow body of lines", () => {
  /**
   * Reads chunks of a body that come one by one, with the given wait between them. Returns the number of lines that
   * were read, or the failure.
   */
  const read = async (chunks: ReadonlyArray<string>, everyMilliseconds: number): Promise<number | string> => {
    let now = 0
    let lines = 0
    async function* body() {
      for (const chunk of chunks) {
        yield Buffer.from(chunk)
        now += everyMilliseconds
      }
    }
    try {
      const reader = new PurchaseLines(1_000, () => "id")
      for await (const batch of batchesOf(body(), reader, () => now)) lines += batch.length
      return lines
    } catch (failure) {
      return (failure as Error).constructor.name
    }
  }
  const drops = (text: string) => Array.from({ length: 100 }, () => text)

  it("a body is ended if only single bytes or blank lines of it come now and then", async () => {
    expect(await read(drops("{"), lineWithinMilliseconds / 4)).toBe("LinesTooSlow")
    expect(await read(drops("\n"), lineWithinMilliseconds / 4)).toBe("LinesTooSlow")
  })

  it("a body goes on if a whole line of it comes now and then, even if the lines come in parts", async () => {
    expect(await read(drops("{}\n"), 10 * lineWithinMilliseconds)).toBe(100)
    expect(
      await read(
        drops("{").flatMap((begin) => [begin, "}\n"]),
        lineWithinMilliseconds
      )
    ).toBe(100)
  })
})

describe("the connections of a server", () => {
  const app = new Hono().get("/", (http) => http.text("x".repeat(20_000_000)))
  const closed = async (socket: Socket): Promise<void> => {
    socket.resume()
    // The promise of node's `once` would reject if the connection is reset.
    if (!socket.closed) await new Promise<void>((resolve) => socket.once("close", () => resolve()))
  }

  it("a server closes connections above its bounds, and accepts new connections when others have ended", async () => {
    for (const connections of [
      { connectionsMax: 100, connectionsOfAddressMax: 2 },
      { connectionsMax: 2, connectionsOfAddressMax: 100 }
    ]) {
      const server = await serve(app, {}, "", { connections })
      const [first, second] = [await open(server.port), await open(server.port)]
      const third = await open(server.port)
      // A connection that the server had accepted would get the answer 408 before its end.
      expect(await rest(third).catch(() => "")).toBe("")
      expect([first.closed, second.closed]).toEqual([false, false])
      first.destroy()
      await until("there is room for a connection", async () => {
        const next = await open(server.port)
        next.on("error", () => undefined)
        next.resume().write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return Promise.race([
          once(next, "data").then(
            () => next.destroy() !== undefined,
            () => false
          ),
          once(next, "close").then(() => false)
        ])
      })
      second.destroy()
      await server.close()
    }
  })

  it("a server ends a connection whose caller does not read the answer", async () => {
    const ended = Promise.withResolvers<void>()
    const slow = new Hono().get("/", (http) => {
      const { outgoing } = http.env as HttpBindings
      outgoing.once("close", ended.resolve)
      return http.text("x".repeat(20_000_000))
    })
    const server = await serve(slow, { answer: 200, check: 50 })
    const socket = await open(server.port)
    socket.on("error", () => undefined)
    socket.pause()
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await ended.promise
    let received = 0
    socket.on("data", (chunk: Buffer) => void (received += chunk.length))
    await closed(socket)
    expect(received).toBeLessThan(20_000_000)
    await server.close()
  })
})
