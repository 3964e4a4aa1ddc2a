import { gzipSync } from "node:zlib"
import { Context, Logger, References } from "effect"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { open, rest, serve, type TestServer } from "../support/TestServer.ts"
import { appOn, inputMessages, purchaseText, useService } from "../support/TestService.ts"

const service = useService({ withoutWorker: true })
let server: TestServer
/** Every entry of the log at the level Error or above. */
const logged: Array<unknown> = []

beforeAll(async () => {
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Error" || logLevel === "Fatal") logged.push(message)
  })
  const services = service.edge.services.pipe(
    Context.add(Logger.CurrentLoggers, new Set([logger])),
    Context.add(References.MinimumLogLevel, "Info")
  )
  server = await serve(appOn(services), { drain: 50 })
})
afterAll(async () => {
  await server.close()
})

beforeEach(() => {
  logged.splice(0)
  for (const method of ["error", "warn", "info"] as const) vi.spyOn(console, method)
})
afterEach(() => vi.restoreAllMocks())

/** The requests that the edge has counted for these routes, by status. */
const counted = async (): Promise<Record<string, number>> => {
  const { body } = await service.get("/metrics")
  const counts: Record<string, number> = {}
  for (const [, status = "", count] of body.matchAll(
    /^purchase_ledger_http_requests_total\{method="POST",.*status="(\d+)"\} (\d+)$/gm
  )) {
    counts[status] = (counts[status] ?? 0) + Number(count)
  }
  return counts
}

/** Waits until one more request is counted. Returns how much each count has grown. */
const countedMeanwhile = async (act: () => Promise<unknown>): Promise<Record<string, number>> => {
  const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, one) => sum + one, 0)
  const before = await counted()
  await act()
  await until("the request is counted", async () => total(await counted()) > total(before))
  const after = await counted()
  return Object.fromEntries(
    Object.entries(after).flatMap(([status, count]) => {
      const more = count - (before[status] ?? 0)
      return more === 0 ? [] : [[status, more]]
    })
  )
}

const nothingIsLogged = () => {
  expect(logged).toEqual([])
  for (const method of ["error", "warn", "info"] as const) expect(vi.mocked(console[method]).mock.calls).toEqual([])
}

const one = "application/json"
const lines = "application/x-ndjson"
const places = [
  ["/purchases", one],
  ["/rejected/1/0/replay", one],
  ["/purchases", lines]
] as const
const encodings = ["identity", "gzip"] as const
const cases = places.flatMap(([path, type]) => encodings.map((encoding) => [path, type, encoding] as const))

const headOf = (path: string, type: string, encoding: string, framing: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-encoding: ${encoding}\r\n${framing}\r\n\r\n`

/** The first half of a purchase, compressed if `encoding` says so. */
const halfOf = (encoding: string): Buffer => {
  const whole = Buffer.from(purchaseText({ userId: "broken", purchaseId: "p1" }))
  const bytes = encoding === "gzip" ? gzipSync(whole) : whole
  return bytes.subarray(0, bytes.length / 2)
}

const chunkOf = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")])

const nothingIsStored = async () => expect(await inputMessages(service.client)).toEqual([])

describe("a body that breaks off", () => {
  // A caller that ends only its own side still gets the answer.
  const endings = [
    ["ends", "end", { 400: 1 }],
    ["breaks", "resetAndDestroy", { 499: 1 }]
  ] as const
  const framings = [
    ["with a length", "content-length: 1000", (half: Buffer) => half],
    ["in chunks", "transfer-encoding: chunked", chunkOf]
  ] as const

  for (const [framed, framing, written] of framings) {
    for (const [how, ending, expected] of endings) {
      it.each(cases)(
        `a body ${framed} whose connection ${how} is no error of the server (%s as %s, %s)`,
        async (path, type, encoding) => {
          const by = await countedMeanwhile(async () => {
            const socket = await open(server.port)
            socket.on("error", () => undefined)
            socket.write(Buffer.concat([Buffer.from(headOf(path, type, encoding, framing)), written(halfOf(encoding))]))
            // The answer to lines begins before their body ends.
            if (type === lines) await new Promise((resolve) => socket.once("data", resolve))
            socket[ending]()
          })
          expect(by).toEqual(type === lines ? { 200: 1 } : expected)
          nothingIsLogged()
          await nothingIsStored()
        }
      )
    }
  }
})

describe("a chunk that cannot be read", () => {
  const bad = (path: string, type: string, encoding: string): Buffer =>
    Buffer.concat([
      Buffer.from(headOf(path, type, encoding, "transfer-encoding: chunked")),
      chunkOf(halfOf(encoding)),
      Buffer.from("xyz\r\n")
    ])

  it.each(cases.filter(([, type]) => type === one))(
    "a chunk that cannot be read is answered with 400 (%s as %s, %s)",
    async (path, type, encoding) => {
      let answer = ""
      const by = await countedMeanwhile(async () => {
        const socket = await open(server.port)
        socket.write(bad(path, type, encoding))
        answer = await rest(socket)
      })
      const [head = "", body = ""] = answer.split("\r\n\r\n")
      expect(head.split("\r\n")[0]).toBe("HTTP/1.1 400 Bad Request")
      expect(head.toLowerCase()).toContain("\r\nconnection: close")
      expect(JSON.parse(body)).toEqual({
        type: "urn:purchase-ledger:problem:malformed-request",
        title: "The request is malformed",
        status: 400,
        detail: "The body broke off, or its chunks could not be read. Send the request again.",
        instance: path
      })
      expect(by).toEqual({ 400: 1 })
      nothingIsLogged()
      await nothingIsStored()
    }
  )

  it.each(encodings)("a chunk that cannot be read ends the answer to lines, which says so (%s)", async (encoding) => {
    const socket = await open(server.port)
    socket.write(bad("/purchases", lines, encoding))
    const answer = await rest(socket)
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 200 OK")
    expect(answer).toContain(`{"line":0,"status":"ended","problem":{`)
    // Stored lines without an id would count twice.
    expect(answer).not.toContain("again")
    // The answer is complete: it ends with its last chunk.
    expect(answer.slice(-7)).toBe("\r\n0\r\n\r\n")
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
    nothingIsLogged()
    await nothingIsStored()
  })

  it("a chunk that cannot be read does not change the answer if the route reads no body", async () => {
    const socket = await open(server.port)
    socket.write("GET /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n")
    const answer = await rest(socket)
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 200 OK")
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
    nothingIsLogged()
  })

  it("an unreadable chunk behind a whole request gets its answer after the answer to the whole request", async () => {
    const socket = await open(server.port)
    socket.write("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\nNONSENSE\r\n\r\n")
    const answer = await rest(socket)
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 400"])
    nothingIsLogged()
  })
})

describe("a client that leaves before its answer", () => {
  it("a client that leaves before its answer is counted with the status 499, and not as an error", async () => {
    const socket = await open(server.port)
    const text = purchaseText({ userId: "leaver", purchaseId: "p1" })
    const by = await countedMeanwhile(async () => {
      socket.write(
        `POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: ${one}\r\nprefer: wait=1\r\ncontent-length: ${text.length}\r\n\r\n${text}`
      )
      await until("it is stored", async () => (await inputMessages(service.client)).length > 0)
      socket.destroy()
    })
    expect(by).toEqual({ 499: 1 })
    nothingIsLogged()
  })
})
