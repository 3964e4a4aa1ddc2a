import { once } from "node:events"
import { Agent, get, type IncomingMessage, request } from "node:http"
import { Context, Effect, Logger, References } from "effect"
import type { Hono } from "hono"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { PortUnavailable, httpWaits, serveHttp } from "../../src/edge/HttpServer.ts"
import { PurchasePublisher } from "../../src/edge/PurchasePublisher.ts"
import { until } from "../support/TestBroker.ts"
import { open, rest, serve as serveApp } from "../support/TestServer.ts"
import { appOn, inputMessages, purchaseText, startService, type TestService } from "../support/TestService.ts"

let service: TestService
beforeAll(async () => {
  service = await startService({ withoutWorker: true })
})
afterAll(() => service.stop())

const closers: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const serve = async (waits: Partial<typeof httpWaits> = {}, app: Hono = service.edge.app) => {
  const server = await serveApp(app, waits)
  closers.push(server.close)
  return server
}

const storedOf = async (userId: string) =>
  (await inputMessages(service.client)).flatMap(({ purchases }) => purchases).filter((one) => one.userId === userId)

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = ""
  for await (const chunk of response) text += String(chunk)
  return text
}

const rawProblem = (status: string, detail: string): string => {
  const body = `{"type":"urn:purchase-ledger:problem:malformed-request","title":"The request is malformed","status":${status.slice(0, 3)},"detail":"${detail}","instance":"/"}`
  return `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
}
const tooLate = rawProblem("408 Request Timeout", "The request took too long to arrive.")

describe("what is no request of the application's", () => {
  it("20 KB of headers are refused", async () => {
    const socket = await open((await serve()).port)
    socket.write(`GET /livez HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(20_000)}\r\n\r\n`)
    expect(await rest(socket)).toBe(
      rawProblem("431 Request Header Fields Too Large", "The headers have more than 16384 bytes.")
    )
  })

  it.each([
    "NONSENSE\r\n\r\n",
    "GET /livez HTTP/1.1\r\nbad header\r\n\r\n",
    "GET /livez HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
    "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
  ])("%j is refused", async (text) => {
    const socket = await open((await serve()).port)
    socket.write(text)
    expect(await rest(socket)).toBe(rawProblem("400 Bad Request", "This is not a readable HTTP request."))
  })

  it("a host that is none is refused", async () => {
    const socket = await open((await serve()).port)
    socket.write("GET /livez HTTP/1.1\r\nhost: a/b c\r\nconnection: close\r\n\r\n")
    const answer = await rest(socket)
    expect(answer.slice(0, 12)).toBe("HTTP/1.1 400")
    expect(answer.toLowerCase()).toContain("\r\ncontent-type: application/problem+json\r\n")
  })

  it("headers that do not end are refused when their time is over", async () => {
    const socket = await open((await serve({ headers: 50, check: 10 })).port)
    socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n")
    expect(await rest(socket)).toBe(tooLate)
  })

  it("a body that does not end is refused when its time is over", async () => {
    const socket = await open((await serve({ headers: 50, request: 50, check: 10 })).port)
    socket.write(
      "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    expect(await rest(socket)).toBe(tooLate)
    expect(await inputMessages(service.client)).toEqual([])
  })
})

describe("a body of 10 MB", () => {
  it("that comes in chunks is refused before it is all sent", async () => {
    const { port } = await serve()
    const socket = await open(port)
    socket.on("error", () => undefined)
    socket.write(
      "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`
    const received: Array<string> = []
    socket.on("data", (data) => received.push(String(data)))
    // It is never ended: an answer can come only from a server that does not wait for the end.
    for (let sent = 0; sent < 160 && !socket.destroyed && received.length === 0; sent += 1) {
      if (!socket.write(chunk)) await Promise.race([once(socket, "drain"), once(socket, "close"), once(socket, "data")])
    }
    await until("an answer", () => received.join("").endsWith("}"))
    const answer = received.join("")
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 413 Payload Too Large")
    expect(answer).toContain('"detail":"A purchase has at most 16384 bytes."')
    socket.destroy()
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200)
  })
})

describe("an answer over a socket", () => {
  it("is the application's", async () => {
    const { port } = await serve()
    const response = await fetch(`http://127.0.0.1:${port}/purchases`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: purchaseText({ purchaseId: "over-a-socket" })
    })
    expect([response.status, response.headers.get("location")]).toEqual([202, "/users/ann/purchases/over-a-socket"])
  })

  it("keeps the path apart from what it leads to", async () => {
    const socket = await open((await serve()).port)
    socket.end("GET /total/..%2F..%2Flivez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    const answer = await rest(socket)
    expect(answer.slice(0, 12)).toBe("HTTP/1.1 422")
    expect(answer).toContain('"instance":"/total/..%2F..%2Flivez"')
  })
})

describe("a port that is taken", () => {
  it("is said with what to do", async () => {
    const { port } = await serve()
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(serveHttp(service.edge.app, "127.0.0.1", port))))
    expect(failure).toBeInstanceOf(PortUnavailable)
    expect(failure.message).toBe(
      `Cannot listen on 127.0.0.1:${port} (listen EADDRINUSE: address already in use 127.0.0.1:${port}). Set PORT or HOST to another one.`
    )
  })
})

describe("a client that goes away", () => {
  it("ends /generate, and the log says how many are stored", async () => {
    const entries: Array<{ readonly message: unknown; readonly annotations: unknown }> = []
    const logger = Logger.make<unknown, void>(({ message, fiber }) => {
      entries.push({ message, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    })
    const services = service.edge.services.pipe(
      Context.add(Logger.CurrentLoggers, new Set([logger])),
      Context.add(References.MinimumLogLevel, "Info")
    )
    const { port } = await serve({}, appOn(services))
    const before = (await storedOf("leaver")).length
    const asking = get({ port, host: "127.0.0.1", path: "/generate/1000000/leaver" })
    asking.on("error", () => undefined)
    await until("something is stored", async () => (await storedOf("leaver")).length > before)
    asking.destroy()
    await until("it is logged", () => entries.length > 0)
    const stored = (await storedOf("leaver")).length
    expect(entries).toEqual([
      { message: ["generate: the client went away"], annotations: { userId: "leaver", asked: 1_000_000, stored } }
    ])
    expect(stored).toBeLessThan(1_000_000)
    // Nothing is stored after that: the edge waits for none of it, and the next of this user is the next in the log.
    expect(Context.get(service.edge.services, PurchasePublisher).waiting()).toBe(0)
  })
})

describe("a server that stops", () => {
  /** A request that is not answered before a worker applies the purchase. */
  const askAndWait = async (port: number, purchaseId: string) => {
    const asking = request({
      port,
      host: "127.0.0.1",
      method: "POST",
      path: "/purchases",
      agent: new Agent({ keepAlive: true }),
      headers: { "content-type": "application/json", prefer: "wait=30" }
    })
    const answered = once(asking, "response") as Promise<[IncomingMessage]>
    asking.end(purchaseText({ userId: "waiter", purchaseId }))
    await until("it is stored", async () =>
      (await storedOf("waiter")).some((purchase) => purchase.purchaseId === purchaseId)
    )
    return { asking, answered }
  }

  it("lets go of those who get no answer in time", async () => {
    const { port, close } = await serve({ drain: 50 })
    const { answered } = await askAndWait(port, "unanswered")
    const failed = expect(answered).rejects.toThrow("socket hang up")
    await close()
    await failed
  })

  it("answers what it has accepted, takes no new connection, and keeps none", async () => {
    const { port, close } = await serve()
    const idle = await open(port)
    const { answered } = await askAndWait(port, "answered")
    service.edge.drain()
    const closed = close()
    // An idle connection is closed at once, and so is the door.
    expect(await rest(idle)).toBe("")
    await expect(open(port)).rejects.toThrow("ECONNREFUSED")
    await service.startWorker()
    const [response] = await answered
    expect([response.statusCode, response.headers["connection"]]).toEqual([201, "close"])
    expect(await textOf(response)).toContain('"purchaseId":"answered","userId":"waiter"')
    await closed
  })
})
