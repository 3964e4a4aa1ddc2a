import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeApp } from "../../../src/edge/server/App.ts"
import { everybody } from "../../../src/edge/access/Caller.ts"
import { routes } from "../../../src/edge/server/Routes.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { purchaseText, startService, type TestService } from "../../support/TestService.ts"
import { serve, type TestServer } from "../../support/TestServer.ts"
import { bearer, TestTokens } from "../../support/TestTokens.ts"

interface Recorded {
  readonly by: string
  readonly name: string
  readonly from?: string
  readonly what: string
  readonly of: string
  readonly at: number
}

const rule = JSON.stringify({
  name: "dear",
  enabled: true,
  kind: "single",
  atLeast: 100
})

describe("the audit log", () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  let token: string
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
    token = await tokens.create({ name: "operator" })
    await until("the edge knows the token", async () => (await service.get("/status", bearer(token))).status === 200)
  })
  afterAll(async () => {
    await server.close()
    await tokens.stop()
    await service.stop()
  })

  /** Returns all records of the stream, oldest first. */
  const records = async (): Promise<ReadonlyArray<Recorded>> => {
    const manager = await service.client.jetstreamManager()
    const { state } = await manager.streams.info("AUDIT")
    return Promise.all(
      Array.from({ length: state.messages }, async (_, index) =>
        (await manager.streams.getMessage("AUDIT", { seq: state.first_seq + index })).json<Recorded>()
      )
    )
  }
  const ask = (method: string, path: string, one: string, body?: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: { ...bearer(one), "content-type": "application/json" },
      ...(body === undefined ? {} : { body })
    })

  it("each change of a token has an audit record with the person who made the change", async () => {
    const other = await tokens.create({ name: "other" })
    await tokens.roll(other, 0)
    await tokens.revoke(other)
    const [, id] = other.split("_")
    const own = (await records()).filter(({ of }) => of === id)
    expect(own.map(({ what }) => what)).toEqual(["createToken", "rollToken", "revokeToken"])
    expect(own[0]).toMatchObject({ by: expect.stringMatching(/^.+@.+$/), name: "command line" })
  })

  it("a change through the edge has an audit record with the token, the path and the caller's address", async () => {
    const before = Date.now()
    await ask("PUT", "/users/ann/rules/dear", token, rule)
    await ask("POST", "/rejected/7/0/replay", token, "{}")
    await ask("POST", "/generate/1/ann", token)
    const own = (await records()).filter(({ name }) => name === "operator")
    expect(own.map(({ what, of }) => [what, of])).toEqual([
      ["putRule", "/users/ann/rules/dear"],
      ["replayRejected", "/rejected/7/0/replay"],
      ["generateByPost", "/generate/1/ann"]
    ])
    const [, by = ""] = token.split("_")
    for (const { at, ...one } of own) {
      expect(one).toMatchObject({ by, from: "127.0.0.1" })
      expect(at).toBeGreaterThanOrEqual(before)
    }
  })

  it("reads, posts of purchases and refused requests have no audit record", async () => {
    const restricted = await tokens.create({ name: "restricted", scopes: ["users:read", "purchases:write"] })
    await until("the edge knows the token", async () =>
      (await service.get("/session", bearer(restricted))).body.includes("restricted")
    )
    expect((await ask("GET", "/users/ann/total", restricted)).status).toBe(200)
    expect((await ask("PUT", "/users/ann/rules/dear", restricted, rule)).status).toBe(403)
    await ask("POST", "/purchases", restricted, "{}")
    expect((await records()).filter(({ name }) => name === "restricted")).toEqual([])
  })

  interface Page {
    readonly records: ReadonlyArray<Omit<Recorded, "at"> & { readonly sequence: number; readonly at: string }>
    readonly next?: string
  }
  const pageOf = async (path: string): Promise<Page> => {
    const answer = await service.edge.app.request(path, { headers: bearer(token) })
    expect(answer.status).toBe(200)
    return (await answer.json()) as Page
  }
  /** Returns the page at a path and all following pages, in their order. */
  const pagesFrom = async (path: string): Promise<ReadonlyArray<Page>> => {
    const page = await pageOf(path)
    return page.next === undefined ? [page] : [page, ...(await pagesFrom(page.next))]
  }

  it("pages of one audit record each give every audit record once, newest first", async () => {
    const pages = await pagesFrom("/audit?limit=1")
    expect(pages.every(({ records: found }) => found.length <= 1)).toBe(true)
    const sequences = pages.flatMap(({ records: found }) => found.map(({ sequence }) => sequence))
    expect(sequences).toEqual(Array.from({ length: (await records()).length }, (_, index) => index + 1).toReversed())
  })

  it("a page has only the audit records of the caller, the change and the time that the request names", async () => {
    const all = (await pageOf("/audit?limit=100")).records
    const [, id] = token.split("_")
    const since = all[1]?.at ?? ""
    const wanted = async (query: string) =>
      (await pagesFrom(`/audit?limit=2&${query}`)).flatMap(({ records: found }) => found)
    expect(await wanted("by=operator")).toEqual(all.filter(({ name }) => name === "operator"))
    expect(await wanted(`by=${id}&what=putRule`)).toEqual(all.filter(({ by, what }) => by === id && what === "putRule"))
    expect(await wanted("what=revokeToken")).toEqual(all.filter(({ what }) => what === "revokeToken"))
    expect(await wanted(`since=${since}`)).toEqual(all.filter(({ at }) => at >= since))
    expect(await wanted("by=nobody")).toEqual([])
  })

  it("a page lists a malformed audit record, so that this record does not hide the audit records before it", async () => {
    const before = (await records()).length
    await service.client.jetstream().publish("audit.putRule", "no record")
    const [first, ...others] = (await pageOf("/audit?limit=100")).records
    expect(first).toMatchObject({ name: "unreadable", what: "putRule", of: "no record" })
    expect(others).toHaveLength(before)
  })

  it("no client of the broker can remove an audit record", async () => {
    const manager = await service.client.jetstreamManager()
    await expect(manager.streams.deleteMessage("AUDIT", 1)).rejects.toThrow(/delete/)
    await expect(manager.streams.purge("AUDIT")).rejects.toThrow(/purge/)
  })
})

describe("an edge with AUDIT_POSTS", () => {
  it("each post and each body of lines has one audit record before it is stored, and a read has none", async () => {
    const service = await startService({ environment: { AUTH: "tokens", AUDIT_POSTS: "true" } })
    const tokens = new TestTokens(service.broker.url)
    const token = await tokens.create({ name: "shop" })
    await until("the edge knows the token", async () => (await service.get("/status", bearer(token))).status === 200)
    expect((await service.post(purchaseText(), bearer(token))).status).toBe(202)
    const lines = { ...bearer(token), "content-type": "application/x-ndjson" }
    expect((await service.post(`${purchaseText()}\n${purchaseText()}\n`, lines)).status).toBe(200)
    await service.get("/users/ann/total", bearer(token))
    const { body } = await service.get("/audit?by=shop", bearer(token))
    const { records } = JSON.parse(body) as { records: ReadonlyArray<Recorded> }
    expect(records.map(({ what, of }) => [what, of])).toEqual([
      ["postPurchase", "/purchases"],
      ["postPurchase", "/purchases"]
    ])
    await tokens.stop()
    await service.stop()
  })
})

describe("the trail of a rejected record", () => {
  it("each step of a replay has the id of the token of its caller", async () => {
    const service = await startService({ environment: { AUTH: "tokens" } })
    const tokens = new TestTokens(service.broker.url)
    const token = await tokens.create({ name: "support" })
    await until("the edge knows the token", async () => (await service.get("/status", bearer(token))).status === 200)
    const { seq } = await service.client.jetstream().publish("purchases.0.=many", "no JSON")
    const path = `/rejected/${seq}/0`
    await until("the message is rejected", async () => (await service.get(path, bearer(token))).status === 200)
    const replayed = await service.edge.app.request(`${path}/replay`, {
      method: "POST",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: purchaseText()
    })
    expect(replayed.status).toBe(200)
    const { trail } = (await replayed.json()) as { trail: ReadonlyArray<{ state: string; by?: string }> }
    const [, id] = token.split("_")
    expect(trail.map(({ state, by }) => [state, by])).toEqual([
      ["begun", id],
      ["applied", id]
    ])
    await tokens.stop()
    await service.stop()
  })
})

describe("a change whose audit record cannot be written", () => {
  const app = makeApp({
    runPromiseExit: (effect, options) => Effect.runPromiseExit(effect as Effect.Effect<never>, options),
    isDraining: () => false,
    access: {
      isReady: () => true,
      identify: () => everybody,
      onEnd: () => () => undefined,
      audit: () => Promise.resolve(false)
    }
  })
  const audited = routes.filter(({ stores, scope }) => stores && !["public", "purchases:write"].includes(scope))

  it("the routes that write audit records include replays, changes of rules and bulk purchases", () => {
    expect(audited.map(({ name }) => name)).toEqual(expect.arrayContaining(["replayRejected", "putRule", "generate"]))
  })

  it.each(audited.map((route) => [route.name, route] as const))(
    "a request %s without its audit record is refused with 503, and changes nothing",
    async (_name, route) => {
      const [body] = route.bodies
      const path = route.path.replaceAll(/\{\w+\}/g, "1")
      const answer = await app.request(path, {
        method: route.method,
        headers: { ...bearer("pl_x"), ...(body === undefined ? {} : { "content-type": body.mediaType }) },
        ...(body === undefined ? {} : { body: "{}" })
      })
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({
        detail: "It cannot be written down who asks for this. Nothing was changed; try again."
      })
    }
  )
})
