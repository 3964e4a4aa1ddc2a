import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Route } from "../../../src/edge/route/Route.ts"
import { routes } from "../../../src/edge/server/Routes.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { startService, type TestService } from "../../support/TestService.ts"
import { serve, type TestServer } from "../../support/TestServer.ts"
import { allScopes, bearer, TestTokens } from "../../support/TestTokens.ts"

const own = "ann"
const purchase = (userId: string) =>
  JSON.stringify({ userId, productName: "Lamp", productType: "Office", value: 12.5, quantity: 2 })

/** The values of parameters with which a request is well-formed. Every other parameter gets the value 1. */
const samples: Readonly<Record<string, string>> = { product: "Lamp", value: "12.50", qty: "2", file: "main.js" }

const guarded = routes.filter(({ scope }) => scope !== "public")
const named = guarded.map((route) => [`${route.method} ${route.path}`, route] as const)

let service: TestService
let server: TestServer
let tokens: TestTokens
/** The tokens whose rights do not depend on the route, by their kind. */
const given: Record<string, string> = {}

const pathOf = ({ path, parameters }: Route): string =>
  path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    parameters[name]?.isUser === true ? own : (samples[name] ?? "1")
  )

interface Answer {
  readonly status: number
  readonly kind: string
  readonly challenge: string | null
}

const ask = async (route: Route, token: string | undefined, method: string = route.method): Promise<Answer> => {
  const [body] = route.bodies
  const leave = new AbortController()
  const answer = await fetch(`http://127.0.0.1:${server.port}${pathOf(route)}`, {
    method,
    headers: {
      ...(token === undefined ? {} : bearer(token)),
      ...(body === undefined ? {} : { "content-type": body.mediaType })
    },
    ...(body === undefined ? {} : { body: purchase(own) }),
    signal: leave.signal
  })
  const isFeed = answer.headers.get("content-type") === "text/event-stream"
  const { type = "" } = answer.ok || isFeed || method === "HEAD" ? {} : ((await answer.json()) as { type?: string })
  leave.abort()
  return {
    status: answer.status,
    kind: type.replace("urn:purchase-ledger:problem:", ""),
    challenge: answer.headers.get("www-authenticate")
  }
}

const created = new Map<string, string>()
/** Returns the token with these rights. On the first call for these rights, makes the token. */
const tokenWith = async (rights: Parameters<TestTokens["create"]>[0]): Promise<string> => {
  const key = JSON.stringify(rights)
  const known = created.get(key) ?? (await tokens.create(rights))
  created.set(key, known)
  await until("the edge knows the token", async () => {
    const answer = await service.edge.app.request("/session", { headers: bearer(known) })
    return "caller" in ((await answer.json()) as object)
  })
  return known
}

beforeAll(async () => {
  service = await startService({ environment: { AUTH: "tokens" } })
  server = await serve(service.edge.app)
  tokens = new TestTokens(service.broker.url)
  const right = await tokenWith({})
  const revoked = await tokenWith({ name: "revoked" })
  await tokens.revoke(revoked)
  const expired = await tokens.create({ name: "expired", expiresAt: Date.now() - 1 })
  Object.assign(given, {
    right,
    revoked,
    expired,
    "with another secret": right.replace(/.{6}$/, "AAAAAA"),
    "of an unknown id": right.replace(/^pl_.{12}/, "pl_000000000000"),
    "that is no token": "password"
  })
  const isRefused = async (token: string) => {
    const { detail } = (await (await service.edge.app.request("/status", { headers: bearer(token) })).json()) as {
      detail?: string
    }
    return /revoked|expired/.test(detail ?? "")
  }
  await until("the edge knows all changes", async () => (await isRefused(revoked)) && isRefused(expired))
})
afterAll(async () => {
  await server.close()
  await tokens.stop()
  await service.stop()
})

describe("every route that is not public", () => {
  it.each(named)("%s refuses a request without a token", async (_name, route) => {
    const answer = await ask(route, undefined)
    expect(answer).toEqual({ status: 401, kind: "unauthenticated", challenge: 'Bearer realm="purchase-ledger"' })
    if (route.method === "GET" && !route.stores) expect((await ask(route, undefined, "HEAD")).status).toBe(401)
  })

  const wrong = ["expired", "revoked", "with another secret", "of an unknown id", "that is no token"]
  it.each(named.flatMap(([name, route]) => wrong.map((kind) => [name, kind, route] as const)))(
    "%s refuses a token %s",
    async (_name, kind, route) => {
      const challenge = 'Bearer realm="purchase-ledger", error="invalid_token"'
      expect(await ask(route, given[kind])).toEqual({ status: 401, kind: "unauthenticated", challenge })
    }
  )

  it.each(named)("%s refuses a token that lacks only the scope of the route", async (_name, route) => {
    const token = await tokenWith({ scopes: allScopes.filter((scope) => scope !== route.scope) })
    const challenge = `Bearer realm="purchase-ledger", error="insufficient_scope", scope="${route.scope}"`
    expect(await ask(route, token)).toEqual({ status: 403, kind: "forbidden", challenge })
  })

  it.each(named)("%s refuses a token of another user", async (_name, route) => {
    const { status, kind } = await ask(route, await tokenWith({ users: { only: ["bob"] } }))
    const isOfPath = Object.values(route.parameters).some(({ isUser }) => isUser === true)
    if (route.users === "none") expect([401, 403]).not.toContain(status)
    else
      expect({ status, kind }).toEqual(
        isOfPath ? { status: 404, kind: "not-found" } : { status: 403, kind: "forbidden" }
      )
  })

  it.each(named)("%s serves a token that has only the scope of the route", async (_name, route) => {
    const token = await tokenWith({ scopes: [route.scope] })
    const { status } = await ask(route, token)
    expect([401, 403]).not.toContain(status)
    expect(status).toBeLessThan(500)
    if (route.users === "own") {
      const ofUser = await tokenWith({ scopes: [route.scope], users: { prefix: "an" } })
      expect((await ask(route, ofUser)).status).toBe(status)
    }
  })

  it("only these routes are public, and need no token", async () => {
    const open = routes.filter(({ scope }) => scope === "public")
    for (const route of open) expect((await ask(route, undefined)).status, route.path).not.toBe(403)
    expect(open.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /livez",
      "GET /readyz",
      "GET /dashboard/{file}",
      "GET /session",
      "POST /session",
      "POST /session/end",
      "GET /",
      "GET /openapi.json",
      "GET /docs"
    ])
  })
})
