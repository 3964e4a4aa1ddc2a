import { describe, expect, it } from "vitest"
import {
  answered,
  appOn,
  inputMessages,
  postTo,
  purchaseText,
  refusal,
  seen,
  useService
} from "../support/TestService.ts"

const service = useService({ withoutWorker: true })

const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
  seen(service.edge.app.request(path, { method, headers }))

const nothingStored = async () => expect(await inputMessages(service.client)).toEqual([])

describe("a method that a path does not have", () => {
  const reads = [
    "/",
    "/livez",
    "/readyz",
    "/total/ann",
    "/history/ann",
    "/users/ann/total",
    "/users/ann/purchases",
    "/users/ann/purchases/p1",
    "/users/ann/spending",
    "/rejected/1/0",
    "/users/ann/rules"
  ]
  const writesOfBoth = ["/generate/1/ann", "/duplicate/1/ann"]
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ...reads.flatMap((path) =>
      ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => [method, path, "GET, HEAD"] as const)
    ),
    // Previews and link checkers send HEAD, so it must not write.
    ...["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"].map(
      (method) => [method, "/idempotent-test/ann/Lamp/1/1", "GET"] as const
    ),
    ...writesOfBoth.flatMap((path) =>
      ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"].map((method) => [method, path, "GET, POST"] as const)
    ),
    ...["POST", "PATCH", "OPTIONS"].map((method) => [method, "/users/ann/rules/r", "PUT, GET, HEAD, DELETE"] as const),
    ...["/purchases", "/rejected/1/0/replay"].flatMap((path) =>
      ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => [method, path, "POST"] as const)
    )
  ]

  it.each(cases)("the method %s of %s is 405, with Allow: %s", async (method, path, allow) => {
    const expected = refusal("method-not-allowed", `${method} is not allowed here. Allowed: ${allow}.`, path, { allow })
    expect(await ask(method, path)).toEqual(method === "HEAD" ? { ...expected, body: "" } : expected)
    await nothingStored()
  })
})

describe("the method HEAD", () => {
  it("a request with HEAD gets the answer to GET without the body, if GET only reads", async () => {
    expect(await ask("HEAD", "/livez")).toEqual(answered(200, ""))
  })
})

describe("a path that no route has", () => {
  it.each([
    "/nothing",
    "/total",
    "/total/a/b",
    "/generate/5",
    "/users/ann",
    "/users/ann/purchases/p1/x",
    "/%20",
    "/Total/a"
  ])("the path %s is 404", async (path) => {
    const expected = refusal("not-found", `No route has the path ${path}. GET / lists the routes.`, path)
    expect(await ask("GET", path)).toEqual(expected)
    expect(await ask("DELETE", path)).toEqual(expected)
  })
})

describe("the header Accept", () => {
  it.each(["text/html", "application/xml", "text/*", "application/json;q=0", "application/x-ndjson"])(
    "a request with Accept: %s is 406, and a write is not done",
    async (accept) => {
      for (const path of ["/livez", "/total/ann", "/generate/1/ann", "/nothing"]) {
        expect(await ask("GET", path, { accept })).toEqual(
          refusal("not-acceptable", "Answers are application/json.", path)
        )
      }
      expect(await service.post(purchaseText(), { accept })).toEqual(
        refusal("not-acceptable", "Answers are application/json.", "/purchases")
      )
      await nothingStored()
    }
  )

  it.each([
    "application/json",
    "*/*",
    "application/*",
    "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8",
    "application/problem+json",
    "Application/JSON",
    "text/html, application/json;q=0.1"
  ])("a request with Accept: %s gets JSON", async (accept) => {
    expect(await ask("GET", "/livez", { accept })).toEqual(answered(200, '{"status":"alive"}'))
  })
})

describe("the header Content-Type", () => {
  const unsupported = refusal(
    "unsupported-media-type",
    "Send one purchase as application/json, or many, one a line, as application/x-ndjson.",
    "/purchases"
  )

  it.each(["text/plain", "text/json", "application/ndjson", "application/x-www-form-urlencoded", "json", ""])(
    "a body with Content-Type: %j is 415",
    async (type) => {
      expect(await service.post(purchaseText(), { "content-type": type })).toEqual(unsupported)
      await nothingStored()
    }
  )

  it("a body without a Content-Type is 415", async () => {
    const body = new TextEncoder().encode(purchaseText())
    expect(await seen(service.edge.app.request("/purchases", { method: "POST", body }))).toEqual(unsupported)
    await nothingStored()
  })

  it.each(["application/json; charset=utf-8", "Application/JSON"])(
    "a body with Content-Type: %s is taken",
    async (type) => {
      // The body is read, and is refused because of its content.
      expect(await service.post("{}", { "content-type": type })).toEqual(
        refusal("malformed-request", "The field userId is missing.", "/purchases")
      )
    }
  )
})

describe("GET /, /livez and /readyz", () => {
  it("GET / lists the routes, and /livez and /readyz report that an edge without a worker can only store", async () => {
    const { status, body } = await service.get("/")
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({
      service: "purchase-ledger",
      routes: [
        "POST /purchases",
        "POST /users/{id}/purchases/{purchaseId}/reversals",
        "GET /users/{id}/reversals/{reversalId}",
        "GET /users/{id}/purchases/{purchaseId}/reversals?limit=&cursor=",
        "GET /users/{id}/total?at=",
        "GET /users/{id}/purchases?limit=&cursor=&order=&from=&to=&after=&before=&product=&productType=",
        "GET /users/{id}/purchases/{purchaseId}",
        "GET /users?limit=&prefix=&cursor=",
        "GET /users/{id}/export?format=&order=&from=&to=&after=&before=&product=&productType=",
        "GET /users/{id}/spending?by=&from=&to=&timeZone=",
        "POST /users/{id}/backtest?from=&to=&cursor=",
        "POST /users/{id}/rules/{ruleId}/backtest?from=&to=&cursor=",
        "GET /users/{id}/rules",
        "PUT /users/{id}/rules/{ruleId}",
        "GET /users/{id}/rules/{ruleId}",
        "DELETE /users/{id}/rules/{ruleId}",
        "GET /users/{id}/alerts?limit=&cursor=&through=",
        "GET /users/{id}/alerts/feed?lastEventId=",
        "GET /alerts/feed?lastEventId=",
        "PUT /users/{id}/webhook",
        "GET /users/{id}/webhook",
        "DELETE /users/{id}/webhook",
        "POST /users/{id}/webhook/secret",
        "GET /users/{id}/webhook/dead?limit=",
        "POST /users/{id}/webhook/dead/{letter}/again",
        "POST /users/{id}/webhook/test",
        "GET /rejected?limit=&cursor=",
        "GET /rejected/{inputSequence}/{index}",
        "POST /rejected/{inputSequence}/{index}/replay",
        "GET /users/{id}/feed?lastEventId=",
        "GET /feed?lastEventId=",
        "GET /generate/{count}/{id}",
        "POST /generate/{count}/{id}",
        "GET /duplicate/{count}/{id}",
        "POST /duplicate/{count}/{id}",
        "GET /total/{id}",
        "GET /history/{id}",
        "GET /idempotent-test/{userId}/{product}/{value}/{qty}",
        "GET /livez",
        "GET /readyz?applying=",
        "GET /status",
        "GET /audit?limit=&cursor=&by=&what=&since=",
        "GET /metrics",
        "GET /dashboard/{file}",
        "GET /session",
        "POST /session",
        "POST /session/end",
        "GET /openapi.json",
        "GET /docs"
      ]
    })
    expect(await service.get("/livez")).toEqual(answered(200, '{"status":"alive"}'))
    const storing = '{"ok":true,"detail":"Purchases can be stored."}'
    const detail =
      "No worker is alive. Partitions 0–1 of 2 are not applied. Stored purchases are kept, and are applied when a worker takes them."
    const applying = `{"ok":false,"detail":"${detail}","partitions":[0,1]}`
    expect(await service.get("/readyz")).toEqual(
      answered(200, `{"status":"storing-only","storing":${storing},"applying":${applying}}`)
    )
  })
})

describe("an edge that is stopping", () => {
  const stopping = (instance: string) =>
    refusal("unavailable", "This edge is stopping.", instance, { "retry-after": "1", connection: "close" })

  it("an edge that is stopping is alive but not ready, and stores nothing new", async () => {
    const app = appOn(service.edge.services, true)
    expect(await seen(app.request("/livez"))).toEqual(answered(200, '{"status":"alive"}', { connection: "close" }))
    expect(await seen(app.request("/readyz"))).toEqual(stopping("/readyz"))
    expect(await postTo(app, purchaseText())).toEqual(stopping("/purchases"))
    for (const path of ["/generate/1/ann", "/duplicate/1/ann", "/idempotent-test/ann/Lamp/1/1"]) {
      expect(await seen(app.request(path))).toEqual(stopping(path))
    }
    await nothingStored()
  })
})
