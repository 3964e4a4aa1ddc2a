import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { AnswerSpecs } from "../../../src/edge/contract/AnswerSpec.ts"
import { route } from "../../../src/edge/route/Route.ts"
import { makeApp } from "../../../src/edge/server/App.ts"
import { OriginChecks, type OriginSettings } from "../../../src/edge/server/OriginChecks.ts"
import { routes } from "../../../src/edge/server/Routes.ts"
import { open, rest, serve } from "../../support/TestServer.ts"
import { inputMessages, purchaseText, refusal, seen, useService } from "../../support/TestService.ts"

/** Returns the status of the problem of a request with these headers, or 200. */
const statusOf = (listening: string, settings: OriginSettings, headers: ReadonlyArray<readonly [string, string]>) =>
  new OriginChecks(listening, settings).problemOf({ rawHeaders: headers.flat(), httpVersion: "1.1" })?.status ?? 200

const hostStatus = (listening: string, host: string, allowedHosts: ReadonlyArray<string> = []) =>
  statusOf(listening, { allowedHosts }, [["Host", host]])

describe("the host of a request", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1:8081"],
    ["127.0.0.1", "LOCALHOST"],
    ["127.0.0.1", "localhost:1"],
    ["127.0.0.1", "127.1.2.3:8081"],
    ["127.0.0.1", "[::1]:8081"],
    ["192.0.2.7", "192.0.2.7:8081"],
    ["ledger.example", "Ledger.example"],
    ["2001:db8::7", "[2001:DB8::7]:8081"],
    ["0.0.0.0", "localhost:8081"]
  ])("an edge that listens at %s accepts a request for the host %s", (listening, host) => {
    expect(hostStatus(listening, host)).toBe(200)
  })

  it.each([
    ["127.0.0.1", "rebind.example:8081"],
    ["127.0.0.1", "localhost.rebind.example"],
    ["127.0.0.1", "127.0.0.1.rebind.example"],
    ["127.0.0.1", "localhost."],
    ["127.0.0.1", ""],
    ["192.0.2.7", "192.0.2.8"],
    ["0.0.0.0", "0.0.0.0:8081"],
    ["::", "[::]:8081"],
    ["", "192.0.2.7"]
  ])("an edge that listens at %j refuses a request for the host %j", (listening, host) => {
    expect(hostStatus(listening, host)).toBe(421)
  })

  it("a server at a wildcard address allows no name, and ALLOWED_HOSTS allows names at any port", () => {
    const allowed = ["Ledger.example", "2001:db8::7"]
    expect(hostStatus("0.0.0.0", "ledger.example:443", allowed)).toBe(200)
    expect(hostStatus("0.0.0.0", "[2001:db8::7]", allowed)).toBe(200)
    expect(hostStatus("0.0.0.0", "other.example", allowed)).toBe(421)
  })

  it.each(["a b", "user@localhost", "localhost/x", "localhost:80:80", "[::1", "localhost\\x", "a,localhost"])(
    "a request for the host %s is malformed, or for another service",
    (host) => {
      expect([400, 421]).toContain(hostStatus("127.0.0.1", host))
    }
  )

  it("a request with two hosts is refused even if both hosts are allowed", () => {
    const twice = [
      ["Host", "localhost"],
      ["HOST", "localhost"]
    ] as const
    expect(statusOf("127.0.0.1", {}, twice)).toBe(400)
  })
})

describe("the origin of a request", () => {
  const originStatus = (origin: string, host = "127.0.0.1:8081", allowedOrigins: ReadonlyArray<string> = []) =>
    statusOf("127.0.0.1", { allowedOrigins, allowedHosts: ["ledger.example"] }, [
      ["Host", host],
      ["Origin", origin]
    ])

  it.each([
    ["http://127.0.0.1:8081", "127.0.0.1:8081"],
    ["https://ledger.example", "Ledger.example"]
  ])("a page of the origin %s may send requests to the host %s", (origin, host) => {
    expect(originStatus(origin, host)).toBe(200)
  })

  it.each([
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1:8082",
    "http://localhost:8081",
    "file://127.0.0.1:8081"
  ])("a page of the origin %j may send no requests", (origin) => {
    expect(originStatus(origin)).toBe(403)
  })

  it("a page of an origin in ALLOWED_ORIGINS may send requests", () => {
    expect(originStatus("https://shop.example", undefined, ["https://shop.example"])).toBe(200)
    expect(originStatus("http://shop.example", undefined, ["https://shop.example"])).toBe(403)
  })

  it("a request with an allowed Origin and a second, foreign Origin is refused", () => {
    const two = [
      ["Host", "localhost:1"],
      ["Origin", "http://localhost:1"],
      ["Origin", "http://evil.example"]
    ] as const
    expect(statusOf("127.0.0.1", {}, two)).toBe(403)
  })
})

describe("a server that checks hosts and origins", () => {
  const service = useService({ withoutWorker: true })

  /** Returns what the server answers to a request with these header lines. */
  const answerTo = async (...lines: ReadonlyArray<string>) => {
    const server = await serve(service.edge.app, {}, "", {})
    const socket = await open(server.port)
    socket.end(`GET /generate/1/stranger HTTP/1.1\r\n${lines.join("\r\n")}\r\nconnection: close\r\n\r\n`)
    const answer = await rest(socket)
    await server.close()
    return answer
  }

  it("a server refuses a strange host and a foreign origin before any route, and names the setting", async () => {
    const host = await answerTo("host: rebind.example")
    expect(host).toMatch(/^HTTP\/1.1 421 Misdirected Request\r\n/)
    expect(host).toContain('"type":"urn:purchase-ledger:problem:wrong-host"')
    expect(host).toContain("add it to ALLOWED_HOSTS")
    const origin = await answerTo("host: localhost", "origin: http://evil.example")
    expect(origin).toMatch(/^HTTP\/1.1 403 Forbidden\r\n/)
    expect(origin).toContain("Add the origin to ALLOWED_ORIGINS")
    expect(await answerTo("host: localhost", "host: localhost")).toMatch(/^HTTP\/1.1 400 /)
    expect(await answerTo("host: rebind.example", "expect: foo")).toMatch(/^HTTP\/1.1 421 /)
    expect(await inputMessages(service.client)).toEqual([])
  })

  const storing = routes.filter(({ stores }) => stores)

  /** Asks a route with values that the route takes. */
  const askStoring = (method: string, path: string, headers: Record<string, string>) => {
    const values: Record<string, string> = {
      count: "1",
      id: "user",
      userId: "user",
      product: "Desk",
      value: "1",
      qty: "1"
    }
    const url = path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => values[name] ?? "1")
    const sent =
      method === "POST" || method === "PUT"
        ? { body: purchaseText(), headers: { "content-type": "application/json", ...headers } }
        : { headers }
    return seen(service.edge.app.request(url, { method, ...sent }))
  }

  const foreign: ReadonlyArray<Record<string, string>> = [
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "same-origin", "sec-purpose": "prefetch" },
    { "sec-fetch-site": "none", "sec-purpose": "prefetch;prerender" }
  ]

  it.each(storing.map(({ method, path }) => [method, path]))(
    "%s %s stores nothing for a page of another site, or for a prefetch of a browser",
    async (method, path) => {
      const before = (await inputMessages(service.client)).length
      for (const headers of foreign) expect((await askStoring(method, path, headers)).status).toBe(403)
      expect(await inputMessages(service.client)).toHaveLength(before)
      for (const headers of [{}, { "sec-fetch-site": "none" }, { "sec-fetch-site": "same-origin" }]) {
        expect((await askStoring(method, path, headers)).status).not.toBe(403)
      }
    }
  )

  it("the refusal of a storing request tells the caller how to store instead", async () => {
    const url = "/duplicate/1/refused"
    expect(await service.get(url, { "sec-fetch-site": "cross-site" })).toEqual(
      refusal("origin-refused", "A page of another site may not store here. Store from a page of this service.", url)
    )
    expect(await service.get(url, { "sec-purpose": "prefetch" })).toEqual(
      refusal("origin-refused", "A browser may not store ahead of its user. Open the address itself.", url)
    )
  })

  it("a read for a page of another site is answered, but the page cannot see the answer", async () => {
    expect((await service.get("/livez", { "sec-fetch-site": "cross-site" })).status).toBe(200)
  })

  it("without the routes of an earlier system, a service stores nothing by GET", async () => {
    const app = makeApp({
      runPromiseExit: Effect.runPromiseExitWith(service.edge.services),
      isDraining: () => false,
      compatibleRoutes: false
    })
    const ask = async (method: string, path: string) => (await seen(app.request(path, { method }))).status
    expect({
      idempotent: await ask("GET", "/idempotent-test/ann/Desk/1/1"),
      generateByGet: await ask("GET", "/generate/1/ann"),
      generateByHead: await ask("HEAD", "/generate/1/ann"),
      generate: await ask("POST", "/generate/1/ann"),
      duplicate: await ask("POST", "/duplicate/1/ann"),
      strange: await ask("GET", "/strange")
    }).toEqual({
      idempotent: 404,
      generateByGet: 405,
      generateByHead: 405,
      generate: 200,
      duplicate: 200,
      strange: 404
    })
    const document = (await (await app.request("/openapi.json")).json()) as { paths: Record<string, object> }
    expect(Object.keys(document.paths["/generate/{count}/{id}"] ?? {})).toEqual(["post"])
    expect(document.paths).not.toHaveProperty("/idempotent-test/{userId}/{product}/{value}/{qty}")
  })

  it("a route that does not declare whether it stores is a type error", () => {
    const declared = {
      method: "GET",
      path: "/forgotten",
      name: "forgotten",
      group: "Service",
      summary: "Says nothing of storing",
      scope: "public",
      parameters: {},
      answers: {} satisfies AnswerSpecs,
      handle: () => Effect.succeed(new Response())
    } as const
    // @ts-expect-error: `stores` is missing.
    expect(route(declared).stores).toBeUndefined()
  })
})
