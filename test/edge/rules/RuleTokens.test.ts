import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { refusal, seen, useService } from "../../support/TestService.ts"
import { bearer, TestTokens } from "../../support/TestTokens.ts"

const service = useService({ withoutWorker: true, environment: { AUTH: "tokens" } })
let tokens: TestTokens
beforeAll(() => {
  tokens = new TestTokens(service.broker.url)
})
afterAll(() => tokens.stop())

const ruleText = (who: "self" | "all") => JSON.stringify({ who, measure: "value", is: "equal", threshold: 5 })

/** Makes a token, and waits until the edge knows it. */
const tokenOf = async (rights: Parameters<TestTokens["create"]>[0]): Promise<Record<string, string>> => {
  const headers = bearer(await tokens.create(rights))
  await until("the edge knows the token", async () => (await service.get("/users/ann/rules", headers)).status === 200)
  return headers
}

const ask = (method: string, path: string, headers: Record<string, string>, body?: string) => {
  const sent = body === undefined ? { headers } : { body, headers: { "content-type": "application/json", ...headers } }
  return seen(service.edge.app.request(path, { method, ...sent }))
}

describe("rules and tokens of some users", () => {
  it("a caller with a token of some users can set rules about these users, and no rule about all users", async () => {
    const some = await tokenOf({ users: { only: ["ann"] } })
    const path = "/users/ann/rules/r"
    expect(await ask("PUT", path, some, ruleText("self"))).toMatchObject({ status: 201 })
    const detail =
      "A rule about all users tells of their purchases, and this token is for some of them. Nothing was changed; use a token of all users."
    const refused = refusal("forbidden", detail, path)
    expect(await ask("PUT", path, some, ruleText("all"))).toMatchObject({ status: 403, body: refused.body })
    const all = await tokenOf({})
    expect(await service.get(path, all)).toMatchObject({ status: 200, headers: { etag: '"1"' } })
    expect(await ask("PUT", path, all, ruleText("all"))).toMatchObject({ status: 200 })
  })

  it("a caller with a token of some users can neither read nor change the rules of another user", async () => {
    const all = await tokenOf({})
    expect((await ask("PUT", "/users/bob/rules/r", all, ruleText("self"))).status).toBe(201)
    const some = await tokenOf({ users: { only: ["ann"] } })
    for (const path of ["/users/bob/rules", "/users/bob/rules/r"]) {
      expect((await ask("GET", path, some)).status).toBe(404)
    }
    expect((await ask("PUT", "/users/bob/rules/r", some, ruleText("self"))).status).toBe(404)
    expect((await ask("DELETE", "/users/bob/rules/r", some)).status).toBe(404)
    expect((await ask("GET", "/users/bob/rules/r", all)).headers["etag"]).toBe('"1"')
  })

  it("a caller with a token of some users can back-test rules about these users only", async () => {
    const some = await tokenOf({ users: { only: ["ann"] } })
    const path = "/users/ann/backtest"
    const detail =
      "A back-test of a rule about all users gives their purchases, and this token is for some of them. Use a token of all users."
    const refused = refusal("forbidden", detail, path)
    expect(await ask("POST", path, some, ruleText("all"))).toMatchObject({ status: 403, body: refused.body })
    expect((await ask("POST", "/users/bob/backtest", some, ruleText("self"))).status).toBe(404)
    const all = await tokenOf({})
    expect((await ask("PUT", "/users/ann/rules/of-all", all, ruleText("all"))).status).toBe(201)
    expect((await ask("POST", "/users/ann/rules/of-all/backtest", some)).status).toBe(403)
    expect((await ask("POST", path, all, ruleText("all"))).status).toBe(200)
  })

  it("a caller with a token of some users can follow the alerts of these users only", async () => {
    const some = await tokenOf({ users: { only: ["ann"] } })
    expect((await ask("GET", "/users/ann/alerts", some)).status).toBe(200)
    expect((await ask("GET", "/users/bob/alerts", some)).status).toBe(404)
    expect((await ask("HEAD", "/users/ann/alerts/feed", some)).status).toBe(200)
    expect((await ask("HEAD", "/users/bob/alerts/feed", some)).status).toBe(404)
    expect((await ask("HEAD", "/alerts/feed", some)).status).toBe(403)
  })

  it("a caller with a token for reading rules can change no rule", async () => {
    const reader = await tokenOf({ scopes: ["rules:read"] })
    expect((await ask("PUT", "/users/ann/rules/new", reader, ruleText("self"))).status).toBe(403)
    expect((await ask("DELETE", "/users/ann/rules/r", reader)).status).toBe(403)
  })
})
