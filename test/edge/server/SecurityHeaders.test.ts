import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { metricsApp } from "../../../src/metrics/MetricsApp.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { open, serve, type TestServer } from "../../support/TestServer.ts"
import { purchaseText, useService } from "../../support/TestService.ts"

const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const purchase = purchaseText({ purchaseId: "p1" })
const json = `content-type: application/json\r\ncontent-length: ${purchase.length}`
const lines = `content-type: application/x-ndjson\r\ncontent-length: ${purchase.length}`

/** Requests with the status of their answers, and the start of their policies. */
const requests: ReadonlyArray<readonly [request: string, status: number, policy: string]> = [
  ["GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["HEAD /livez HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["GET /livez HTTP/1.0\r\n\r\n", 200, policy],
  ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["GET / HTTP/1.1\r\nhost: x\r\naccept: text/html\r\n\r\n", 200, "default-src 'none'; script-src 'self'"],
  ["GET /docs HTTP/1.1\r\nhost: x\r\n\r\n", 200, "default-src 'none'; style-src 'sha256-"],
  ["GET /dashboard/main.js HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["GET /feed HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  ["HEAD /feed HTTP/1.1\r\nhost: x\r\n\r\n", 200, policy],
  [`POST /purchases HTTP/1.1\r\nhost: x\r\n${lines}\r\n\r\n${purchase}`, 200, policy],
  [`POST /purchases HTTP/1.1\r\nhost: x\r\n${json}\r\n\r\n${purchase}`, 202, policy],
  ["GET /openapi.json HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\n", 200, policy],
  ["GET /dashboard/main.js HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\n", 304, policy],
  ["GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n", 404, policy],
  ["GET /%zz HTTP/1.1\r\nhost: x\r\n\r\n", 400, policy],
  ["PUT /livez HTTP/1.1\r\nhost: x\r\n\r\n", 405, policy],
  ["GET /livez HTTP/1.1\r\nhost: rebind.example\r\n\r\n", 421, policy],
  ["GET /livez HTTP/1.1\r\nhost: x\r\norigin: null\r\n\r\n", 403, policy],
  ["GET /livez HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", 400, policy],
  ["GET /livez HTTP/1.1\r\nhost: x\r\nexpect: foo\r\n\r\n", 417, policy],
  ["CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 405, policy],
  ["NONSENSE\r\n\r\n", 400, policy],
  [`GET /livez HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, 431, policy],
  ["GET /livez HTTP/1.1\r\nhost: x\r\n", 408, policy],
  [`POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`, 408, policy]
]

describe("the headers of an answer", () => {
  const service = useService()
  let server: TestServer
  beforeAll(async () => {
    server = await serve(service.edge.app, { headers: 200, request: 200, check: 10 })
  })
  afterAll(() => server?.close())

  /** Returns the head of the first answer as soon as the head has come, because a feed has no end. */
  const headOf = async (port: number, request: string) => {
    const socket = await open(port)
    let text = ""
    socket.on("data", (chunk) => void (text += String(chunk)))
    socket.write(request)
    await until("the head of an answer", () => text.includes("\r\n\r\n"))
    socket.destroy()
    const [status = "", ...lines] = text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n")
    const headers: Record<string, string> = {}
    for (const line of lines) headers[line.slice(0, line.indexOf(":")).toLowerCase()] = line.replace(/^[^:]*: /, "")
    return { status: Number(status.split(" ")[1]), headers }
  }

  it.each(requests)("the answer to %j has %i and the headers for browsers", async (request, expected, own) => {
    const { status, headers } = await headOf(server.port, request)
    expect({ status, ...headers }).toMatchObject({
      status: expected,
      "content-security-policy": expect.stringContaining(own),
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff"
    })
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'")
    expect(headers).not.toHaveProperty("strict-transport-security")
    expect(headers).not.toHaveProperty("x-powered-by")
  })

  it("the metrics of a worker have the security headers, and are refused under foreign hosts", async () => {
    const metrics = await serve(metricsApp(Effect.runPromise), {}, "", {})
    const ask = (host: string) => headOf(metrics.port, `GET /metrics HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    expect(await ask("localhost")).toMatchObject({ status: 200, headers: { "content-security-policy": policy } })
    expect(await ask("rebind.example")).toMatchObject({ status: 421 })
    await metrics.close()
  })
})
