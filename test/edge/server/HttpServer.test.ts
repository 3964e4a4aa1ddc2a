import { once } from "node:events"
import { Agent, get, type IncomingMessage, request } from "node:http"
import { Context, Effect, Logger, References } from "effect"
import type { Hono } from "hono"
import { afterEach, describe, expect, it } from "vitest"
import { PortUnavailable, httpWaits, serveHttp } from "../../../src/edge/server/HttpServer.ts"
import { PurchasePublisher } from "../../../src/intake/PurchasePublisher.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { open, rest, serve as serveApp } from "../../support/TestServer.ts"
import { appOn, inputMessages, purchaseText, useService } from "../../support/TestService.ts"

const service = useService({ withoutWorker: true })

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

const titles = {
  "malformed-request": "The request is malformed",
  "method-not-allowed": "The method is not allowed here",
  "request-timeout": "The request took too long to arrive",
  "expectation-failed": "The expectation cannot be met",
  "headers-too-large": "The headers are too large"
}

/** The headers of every answer. */
const securityHeaders = {
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

/** The only answer of a connection, as the caller has to see it: a complete problem, and then the end. */
const lastProblem = (kind: keyof typeof titles, status: string, detail: string, instance = "/", more = {}) => ({
  status: `HTTP/1.1 ${status}`,
  headers: {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    connection: "close",
    ...securityHeaders,
    ...more
  },
  body: {
    type: `urn:purchase-ledger:problem:${kind}`,
    title: titles[kind],
    status: Number(status.slice(0, 3)),
    detail,
    instance
  }
})

/** Returns the answer to a text, up to the end of the connection by the server. */
const answerTo = async (text: string, waits: Partial<typeof httpWaits> = {}) => {
  const socket = await open((await serve(waits)).port)
  socket.write(text)
  return rest(socket)
}

const readAnswer = (answer: string) => {
  const [head = "", body = ""] = answer.split("\r\n\r\n")
  const [status, ...lines] = head.split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)])
  )
  const { "content-length": length, date: _date, ...others } = headers
  expect(length).toBe(String(Buffer.byteLength(body)))
  return { status, headers: others, body: JSON.parse(body) as unknown }
}

const tooLateDetail = "The request took too long to arrive. Send it again, or send it in smaller parts."

describe("a request that the application does not see", () => {
  it("a request with more than 16 KiB of headers is answered with 431", async () => {
    const answer = await answerTo(`GET /livez HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(20_000)}\r\n\r\n`)
    const detail = "The headers have more than 16384 bytes. Send fewer or shorter ones."
    expect(readAnswer(answer)).toEqual(lastProblem("headers-too-large", "431 Request Header Fields Too Large", detail))
  })

  it.each([
    "NONSENSE\r\n\r\n",
    "GET /livez HTTP/1.1\r\nbad header\r\n\r\n",
    "GET /livez HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
  ])("a request that cannot be read is answered with 400: %j", async (text) => {
    expect(readAnswer(await answerTo(text))).toEqual(
      lastProblem("malformed-request", "400 Bad Request", "This is not a readable HTTP request.")
    )
  })

  it("a request for a host whose name is not valid is answered with 400", async () => {
    const answer = await answerTo("GET /livez HTTP/1.1\r\nhost: a/b c\r\nconnection: close\r\n\r\n")
    expect(readAnswer(answer)).toEqual(
      lastProblem("malformed-request", "400 Bad Request", "This is not a readable HTTP request.")
    )
  })

  it.each(["GET /livez HTTP/1.1\r\n\r\n", "GET /livez HTTP/1.1\r\nexpect: foo\r\n\r\n"])(
    "a request of HTTP/1.1 without a Host is answered with 400: %j",
    async (text) => {
      const detail = "The request has no Host header, which HTTP/1.1 asks for. Send one."
      expect(readAnswer(await answerTo(text))).toEqual(lastProblem("malformed-request", "400 Bad Request", detail))
    }
  )

  it.each(["1.0", "1.1"])("a request with two Host headers in HTTP/%s is answered with 400", async (version) => {
    const answer = await answerTo(`GET /livez HTTP/${version}\r\nhost: x\r\nHost: x\r\n\r\n`)
    expect(readAnswer(answer)).toEqual(
      lastProblem("malformed-request", "400 Bad Request", "The request has 2 Host headers. Send one.")
    )
  })

  it("a request whose header Expect the server cannot meet is answered with 417", async () => {
    const answer = await answerTo("GET /livez HTTP/1.1\r\nhost: x\r\nexpect: foo\r\n\r\n")
    const detail = "The expectation foo cannot be met. Send 100-continue, or leave Expect out."
    expect(readAnswer(answer)).toEqual(lastProblem("expectation-failed", "417 Expectation Failed", detail))
  })

  it("a request for a tunnel is answered with 405", async () => {
    const answer = await answerTo("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
    const allow = "GET, HEAD, POST"
    expect(readAnswer(answer)).toEqual(
      lastProblem(
        "method-not-allowed",
        "405 Method Not Allowed",
        `CONNECT is not allowed here. Allowed: ${allow}.`,
        "/",
        { allow }
      )
    )
  })

  it("a request whose headers do not end is answered with 408 when their time is over", async () => {
    const answer = await answerTo("GET /livez HTTP/1.1\r\nhost: x\r\n", { headers: 50, check: 10 })
    expect(readAnswer(answer)).toEqual(lastProblem("request-timeout", "408 Request Timeout", tooLateDetail))
  })

  it.each(["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"])(
    "a request whose body does not end is answered with 408 when its time is over: %j",
    async (framed) => {
      const head = "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
      const answer = await answerTo(head + framed, { headers: 50, request: 50, check: 10 })
      expect(readAnswer(answer)).toEqual(
        lastProblem("request-timeout", "408 Request Timeout", tooLateDetail, "/purchases")
      )
      expect(await inputMessages(service.client)).toEqual([])
    }
  )

  it("the server closes the connection of a refused request, even if the caller keeps it open", async () => {
    const socket = await open((await serve({ linger: 20 })).port)
    // The caller does not end the connection, so only the server can end it.
    socket.allowHalfOpen = true
    socket.on("error", () => undefined)
    socket.write("NONSENSE\r\n\r\n")
    socket.resume()
    await once(socket, "end")
    await until("the server is gone", () => {
      if (socket.writable) socket.write("x")
      return socket.destroyed || !socket.writable
    })
  })
})

describe("a request of HTTP/1.0 without a Host", () => {
  it.each(["/livez", "/readyz", "/status", "/"])(
    "a request of HTTP/1.0 without a Host is answered as any other request: %s",
    async (path) => {
      const answer = await answerTo(`GET ${path} HTTP/1.0\r\n\r\n`)
      expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 200 OK")
      expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n")
      expect(answer).not.toContain("localhost")
    }
  )

  it("a request of HTTP/1.0 without a Host may store a purchase", async () => {
    const text = purchaseText({ userId: "old", purchaseId: "p1" })
    const head = `POST /purchases HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${text.length}`
    const answer = await answerTo(`${head}\r\n\r\n${text}`)
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 202 Accepted")
    expect(answer).toContain("location: /users/old/purchases/p1\r\n")
  })
})

describe("a request to change the protocol", () => {
  it.each(["websocket", "h2c"])(
    "a request to change the protocol is answered in the protocol of the request: %s",
    async (protocol) => {
      const answer = await answerTo(
        `GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: ${protocol}\r\n\r\n`
      )
      expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 200 OK")
    }
  )
})

describe("a body of 10 MB", () => {
  it("a body of 10 MB in chunks is refused before all of it is sent", async () => {
    const { port } = await serve()
    const socket = await open(port)
    socket.on("error", () => undefined)
    socket.write(
      "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`
    const received: Array<string> = []
    socket.on("data", (data) => received.push(String(data)))
    // The body has no end, so an answer can come only from a server that does not wait for the end.
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
  it("an answer over a socket equals the answer of the application", async () => {
    const { port } = await serve()
    const response = await fetch(`http://127.0.0.1:${port}/purchases`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: purchaseText({ purchaseId: "over-a-socket" })
    })
    expect({ status: response.status, location: response.headers.get("location") }).toEqual({
      status: 202,
      location: "/users/ann/purchases/over-a-socket"
    })
  })

  it("an answer over a socket names the path of the request as the caller wrote it", async () => {
    const socket = await open((await serve()).port)
    socket.end("GET /total/..%2F..%2Flivez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    const answer = await rest(socket)
    expect(answer.slice(0, 12)).toBe("HTTP/1.1 422")
    expect(answer).toContain('"instance":"/total/..%2F..%2Flivez"')
  })
})

describe("an HTTP port that is taken", () => {
  it("if the port is taken, the edge reports the port and the remedy", async () => {
    const { port } = await serve()
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(serveHttp(service.edge.app, "127.0.0.1", port))))
    expect(failure).toBeInstanceOf(PortUnavailable)
    expect(failure.message).toBe(
      `Cannot listen on 127.0.0.1:${port} (listen EADDRINUSE: address already in use 127.0.0.1:${port}). Set PORT or HOST to another one.`
    )
  })
})

describe("a client that goes away", () => {
  it("a client that goes away ends /generate, and the log says how many purchases are stored", async () => {
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
      {
        message: ["generate: the client left before all was stored"],
        annotations: { userId: "leaver", asked: 1_000_000, stored }
      }
    ])
    expect(stored).toBeLessThan(1_000_000)
    // The edge has no waiting purchase, so no purchase of the ended request is stored later. The next purchase of the
    // user thus is the next message in the input log.
    expect(Context.get(service.edge.services, PurchasePublisher).waiting()).toBe(0)
  })
})

describe("a server that stops", () => {
  /** A request that has no answer before a worker applies the purchase. */
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

  it("a server that stops ends the connections of callers who get no answer in time", async () => {
    const { port, close } = await serve({ drain: 50 })
    const { answered } = await askAndWait(port, "unanswered")
    const failed = expect(answered).rejects.toThrow("socket hang up")
    await close()
    await failed
  })

  it("a server that stops answers the accepted requests, and then closes all connections", async () => {
    const { port, close } = await serve()
    const idle = await open(port)
    const { answered } = await askAndWait(port, "answered")
    service.edge.drain()
    const closed = close()
    // The server closes an idle connection at once, and accepts no new connection.
    expect(await rest(idle)).toBe("")
    await expect(open(port)).rejects.toThrow("ECONNREFUSED")
    await service.startWorker()
    const [response] = await answered
    expect({ statusCode: response.statusCode, connection: response.headers["connection"] }).toEqual({
      statusCode: 201,
      connection: "close"
    })
    expect(await textOf(response)).toContain('"purchaseId":"answered","userId":"waiter"')
    await closed
  })
})
