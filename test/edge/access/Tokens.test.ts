import { once } from "node:events"
import { Agent, type IncomingMessage, request } from "node:http"
import { Effect } from "effect"
import { assert, nat, oneof, property, string, tuple } from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Caller } from "../../../src/edge/access/Caller.ts"
import { Tokens } from "../../../src/edge/access/Tokens.ts"
import { newToken, revokedToken, rolledToken } from "../../../src/edge/access/TokenChanges.ts"
import { makeApp } from "../../../src/edge/server/App.ts"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { encodeTokenRecord, type TokenRecord } from "../../../src/protocol/TokenRecord.ts"
import { startEdge } from "../../../src/harness/system/TestLedger.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { startService, type TestService } from "../../support/TestService.ts"
import { open, rest, serve, type TestServer } from "../../support/TestServer.ts"
import { allScopes, bearer, TestTokens } from "../../support/TestTokens.ts"

const rights = { name: "shop", scopes: ["users:read"], users: "all", madeAt: 0, madeBy: "test" } as const
const stored = (id: string, record: TokenRecord, sequence: number) => ({
  id,
  sequence,
  text: encodeTokenRecord(record)
})

describe("the tokens in memory", () => {
  const start = 1_000_000
  const detailOf = (tokens: Tokens, token: string): string => {
    const caller = tokens.identify(token)
    return isProblem(caller) ? caller.detail : caller.name
  }

  it("a token is valid until it expires, and then the answer says when it expired", () => {
    let now = start
    const tokens = new Tokens(() => now)
    const { id, token, record } = newToken({ ...rights, expiresAt: start + 1_000 })
    tokens.take(stored(id, record, 1))
    const caller = tokens.identify(token)
    if (isProblem(caller)) throw new Error(caller.detail)
    now += 999
    expect(detailOf(tokens, token)).toBe("shop")
    expect(caller.ended()).toBeUndefined()
    expect(caller.isCurrent()).toBe(true)
    now += 1
    expect(caller.isCurrent()).toBe(false)
    expect(detailOf(tokens, token)).toBe("This token expired at 1970-01-01T00:16:41.000Z. Ask for a new one.")
    expect(caller.ended()?.status).toBe(401)
  })

  it("after a roll of a token, the old and the new secret are valid until the old secret ends", () => {
    let now = start
    const tokens = new Tokens(() => now)
    const { id, token, record } = newToken(rights)
    tokens.take(stored(id, record, 1))
    const rolled = rolledToken(id, record, now, now + 1_000)
    tokens.take(stored(id, rolled.record, 2))
    expect([detailOf(tokens, token), detailOf(tokens, rolled.token)]).toEqual(["shop", "shop"])
    const callers = [token, rolled.token].map((text) => tokens.identify(text) as Caller)
    expect(callers.map(({ isCurrent }) => isCurrent())).toEqual([true, true])
    now += 1_000
    expect(callers.map(({ isCurrent }) => isCurrent())).toEqual([false, true])
    expect(detailOf(tokens, token)).toBe("This token was replaced by a newer one. Use the newer one.")
    expect(detailOf(tokens, rolled.token)).toBe("shop")
    const again = rolledToken(id, rolled.record, now, now)
    tokens.take(stored(id, again.record, 3))
    expect(detailOf(tokens, rolled.token)).toMatch(/does not exist/)
    expect(callers.map(({ isCurrent }) => isCurrent())).toEqual([false, false])
    expect(again.record.secrets).toHaveLength(1)
  })

  it("an older record of a revoked token that comes late does not make the token valid", () => {
    const tokens = new Tokens(() => start)
    const { id, token, record } = newToken(rights)
    tokens.take(stored(id, revokedToken(record, start), 2))
    tokens.take(stored(id, record, 1))
    expect(detailOf(tokens, token)).toBe("This token was revoked. Ask for a new one.")
  })

  it("the answer to a wrong secret tells nothing about the token", () => {
    const tokens = new Tokens(() => start)
    const { id, token, record } = newToken(rights)
    tokens.take(stored(id, revokedToken(record, start), 1))
    const unknown = "This token does not exist. Check it, or ask for a new one."
    expect(detailOf(tokens, token.replace(/.{6}$/, "AAAAAA"))).toBe(unknown)
    expect(detailOf(tokens, token.replace(/^pl_.{12}/, "pl_000000000000"))).toBe(unknown)
    for (const text of ["", "pl_", "x".repeat(10_000), `${token}x`, token.toUpperCase(), token.replace("pl_", "pl-")]) {
      expect(detailOf(tokens, text), text).toBe(unknown)
    }
  })

  it.each(["", "{}", "null", '{"v":2}', JSON.stringify({ ...rights, v: 1, secrets: [{ sha256: "00" }] })])(
    "a token with the malformed record %s gives no rights",
    (text) => {
      const tokens = new Tokens(() => start)
      const { id, token, record } = newToken(rights)
      tokens.take(stored(id, record, 1))
      tokens.take({ id, sequence: 2, text })
      expect(detailOf(tokens, token)).toMatch(/does not exist/)
    }
  )

  it("no text makes the check of tokens throw, and no text but a valid token passes", () => {
    const tokens = new Tokens(() => start)
    const { id, token, record } = newToken(rights)
    tokens.take(stored(id, record, 1))
    const texts = oneof(
      string({ unit: "binary", maxLength: 100 }),
      tuple(nat(token.length), string({ unit: "binary", maxLength: 3 })).map(
        ([at, text]) => token.slice(0, at) + text + token.slice(at + 1)
      )
    )
    assert(
      property(texts, (text) => {
        if (text !== token) expect(isProblem(tokens.identify(text)), text).toBe(true)
      }),
      { numRuns: 2_000 }
    )
  })

  it("the record of a token has no secret, and two new tokens share neither id nor secret", () => {
    const [one, other] = [newToken(rights), newToken(rights)]
    const secret = one.token.slice(one.token.indexOf("_", 3) + 1)
    expect(Buffer.from(secret, "base64url")).toHaveLength(32)
    expect(encodeTokenRecord(one.record)).not.toContain(secret)
    expect(one.id).not.toBe(other.id)
    expect(one.record.secrets[0]?.sha256).not.toBe(other.record.secrets[0]?.sha256)
  })
})

describe("an edge that has not read the tokens yet", () => {
  const app = makeApp({
    runPromiseExit: (effect, options) => Effect.runPromiseExit(effect as Effect.Effect<never>, options),
    isDraining: () => false,
    access: {
      isReady: () => false,
      identify: () => expect.unreachable(),
      onEnd: () => () => undefined,
      audit: () => expect.unreachable()
    }
  })

  it("an edge answers 503 to every token, and is not ready, until it has read the tokens", async () => {
    const token = newToken(rights).token
    for (const path of ["/users/ann/total", "/status", "/session", "/readyz"]) {
      const answer = await app.request(path, { headers: bearer(token) })
      expect([answer.status, answer.headers.get("retry-after")], path).toEqual([503, "1"])
    }
    expect((await app.request("/livez")).status).toBe(200)
  })
})

describe("an edge with tokens", () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
  })
  afterAll(async () => {
    await server.close()
    await tokens.stop()
    await service.stop()
  })

  const urlOf = (path: string): string => `http://127.0.0.1:${server.port}${path}`
  const statusOf = async (token: string, path = "/users/ann/total") =>
    (await service.edge.app.request(path, { headers: bearer(token) })).status
  const known = async (rights: Parameters<TestTokens["create"]>[0] = {}): Promise<string> => {
    const token = await tokens.create(rights)
    await until("the edge knows the token", async () => [200, 404].includes(await statusOf(token)))
    return token
  }
  const post = (token: string, body: RequestInit["body"], type: string) =>
    fetch(urlOf("/purchases"), {
      method: "POST",
      headers: { ...bearer(token), "content-type": type },
      body: body ?? null,
      duplex: "half"
    } as RequestInit)
  const line = (userId: string, purchaseId: string): string =>
    `${JSON.stringify({ purchaseId, userId, productName: "Lamp", productType: "Office", value: 1, quantity: 1 })}\n`

  it("a body of lines stores the purchases of the token's users, and refuses the lines of all other users", async () => {
    const token = await known({ users: { only: ["ann", "cleo"] } })
    const body = line("ann", "l1") + line("bob", "l2") + line("cleo", "l3") + line("anna", "l4")
    const answer = await post(token, body, "application/x-ndjson")
    const lines = (await answer.text())
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as { status: string; problem?: { type: string; detail: string } })
    expect(lines.map(({ status }) => status)).toEqual(["stored", "refused", "stored", "refused"])
    expect(lines[1]?.problem).toMatchObject({
      type: "urn:purchase-ledger:problem:forbidden",
      status: 403,
      detail: "This token may not store for user bob. Nothing was stored; use a token of this user."
    })
    const all = await known()
    const counted = async (user: string) =>
      (
        (await (await service.edge.app.request(`/users/${user}/total`, { headers: bearer(all) })).json()) as {
          purchaseCount: number
        }
      ).purchaseCount
    await until("the lines are applied", async () => (await counted("ann")) + (await counted("cleo")) === 2)
    expect([await counted("bob"), await counted("anna")]).toEqual([0, 0])
  })

  it("a body of lines ends when the token of its caller is revoked", async () => {
    const token = await known()
    const body = new TransformStream<Uint8Array, Uint8Array>()
    const writer = body.writable.getWriter()
    const sent = writer.write(new TextEncoder().encode(line("ann", "revoked-1")))
    const answer = await post(token, body.readable, "application/x-ndjson")
    await sent
    await tokens.revoke(token)
    const text = await answer.text()
    expect(text.trim().split("\n").at(-1)).toMatch(
      /"status":"ended","problem":\{"type":"urn:purchase-ledger:problem:unauthenticated"/
    )
    await writer.abort().catch(() => undefined)
  })

  it("an export breaks off when the token of its caller is revoked", async () => {
    const token = await known()
    const generated = await fetch(urlOf("/generate/50000/ann"), { headers: bearer(token) })
    expect(generated.status).toBe(200)
    await fetch(urlOf("/users/ann/total"), { headers: bearer(token) }).then((answer) => answer.text())
    const answer = await fetch(urlOf("/users/ann/export"), { headers: bearer(token) })
    expect(answer.status).toBe(200)
    await tokens.revoke(token)
    await until("the edge knows that the token is revoked", async () => {
      const total = await fetch(urlOf("/users/ann/total"), { headers: bearer(token) })
      await total.text()
      return total.status === 401
    })
    await expect(answer.text()).rejects.toThrow()
  })

  const feedOf = async (token: string): Promise<string> => {
    const answer = await fetch(urlOf("/feed"), { headers: bearer(token) })
    expect(answer.status).toBe(200)
    return answer.text()
  }
  const ended =
    'event: end\ndata: {"reason":"token-ended","detail":"The token has expired or was revoked. Ask again with the last id."}\n\n'

  it("a feed ends when the token of its caller is revoked", async () => {
    const [token, other] = [await known(), await known()]
    const feed = feedOf(token)
    const leave = new AbortController()
    const stays = await fetch(urlOf("/feed"), { headers: bearer(other), signal: leave.signal })
    await tokens.revoke(token)
    expect((await feed).endsWith(ended)).toBe(true)
    expect(stays.status).toBe(200)
    leave.abort()
  })

  it("a feed ends when the token of its caller expires", async () => {
    const token = await known({ expiresAt: Date.now() + 2_000 })
    expect((await feedOf(token)).endsWith(ended)).toBe(true)
    expect(await statusOf(token)).toBe(401)
  })

  it("on a connection that is kept open, each request is answered by the rights that its token has then", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    const kept = async (token: string): Promise<number | undefined> => {
      const asked = request(urlOf("/users/ann/total"), { agent, headers: bearer(token) })
      asked.end()
      const [answer] = (await once(asked, "response")) as [IncomingMessage]
      ports.add(answer.socket.localPort)
      await answer.resume().toArray()
      return answer.statusCode
    }
    const [one, other, foreign] = [await known(), await known(), await known({ users: { only: ["bob"] } })]
    expect([await kept(one), await kept(one), await kept(other), await kept(foreign), await kept(one)]).toEqual([
      200, 200, 200, 404, 200
    ])
    await tokens.revoke(one)
    await until("the edge refuses the revoked token", async () => (await kept(one)) === 401)
    expect([await kept(other), await kept(one), await kept(`${other}x`)]).toEqual([200, 401, 401])
    expect(ports.size).toBe(1)
    agent.destroy()
  })

  it("a revoked token is refused within a second", async () => {
    const token = await known()
    await tokens.revoke(token)
    await until("the token is refused", async () => (await statusOf(token)) === 401, 1_000)
  })

  it("the new secret of a rolled token is valid, and the old secret only until its end", async () => {
    const token = await known()
    const kept = await tokens.roll(token, 60_000)
    await until("the new secret counts", async () => (await statusOf(kept)) === 200)
    expect(await statusOf(token)).toBe(200)
    const last = await tokens.roll(token, 0)
    await until("the newest secret counts", async () => (await statusOf(last)) === 200)
    expect([await statusOf(token), await statusOf(kept)]).toEqual([401, 401])
  })

  it("an unreadable record of a token stops neither the other tokens nor the edge", async () => {
    await tokens.write("ffffffffffff", "not a token")
    expect(await statusOf(await known())).toBe(200)
  })

  it("after a restart of the edge, valid and revoked tokens are the same", async () => {
    const [token, gone] = [await known(), await known()]
    await tokens.revoke(gone)
    const second = await startEdge(service.settings)
    const asked = async (one: string) => (await second.app.request("/users/ann/total", { headers: bearer(one) })).status
    await until("the second edge is ready", async () => (await second.app.request("/session")).status === 200)
    expect([await asked(token), await asked(gone)]).toEqual([200, 401])
    await second.stop()
  })

  it("a request with two tokens is refused, and no answer shows a token", async () => {
    const [one, other] = [await known(), await known()]
    const answerTo = async (...lines: ReadonlyArray<string>): Promise<string> => {
      const socket = await open(server.port)
      socket.write(`GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines.join("")}\r\n`)
      return rest(socket)
    }
    const two = await answerTo(`authorization: Bearer ${one}\r\n`, `authorization: Bearer ${other}\r\n`)
    const basic = await answerTo(`authorization: Basic ${one}\r\n`)
    expect([two.split(" ")[1], basic.split(" ")[1]]).toEqual(["400", "401"])
    for (const secret of [one.slice(20), other.slice(20)]) expect(two + basic).not.toContain(secret)
  })

  it("the dashboard exchanges a token for a cookie that scripts and other sites do not get", async () => {
    const token = await known({ scopes: ["users:read", "status:read"], users: { only: ["ann"] } })
    const session = (body: unknown, headers: Record<string, string> = {}) =>
      service.edge.app.request("/session", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body)
      })
    const begun = await session({ token })
    expect(begun.status).toBe(200)
    expect(await begun.json()).toEqual({
      needed: true,
      caller: {
        id: token.split("_")[1],
        name: "test",
        scopes: ["users:read", "status:read"],
        users: "some"
      }
    })
    const cookie = begun.headers.get("set-cookie") ?? ""
    expect(cookie).toBe(`purchase_ledger_token=${token}; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict`)
    expect((await session({ token }, { "x-forwarded-proto": "https" })).headers.get("set-cookie")).toMatch(/; Secure/)
    const [pair = ""] = cookie.split(";")
    const withCookie = (path: string) => service.edge.app.request(path, { headers: { cookie: pair } })
    expect((await withCookie("/status")).status).toBe(200)
    expect((await withCookie("/users/bob/total")).status).toBe(404)
    expect((await (await withCookie("/session")).json()) as object).toHaveProperty("caller.name", "test")
    expect((await session({ token: "pl_x" })).status).toBe(401)
    expect((await session({})).status).toBe(400)
    expect((await session({ token }, { "sec-fetch-site": "cross-site" })).status).toBe(403)
    const end = await service.edge.app.request("/session/end", { method: "POST" })
    expect(end.headers.get("set-cookie")).toMatch(/^purchase_ledger_token=; Max-Age=0;/)
    expect(await (await service.edge.app.request("/session")).json()).toEqual({ needed: true })
  })

  it("a token has only the scopes that this version knows", async () => {
    const token = await tokens.create({ scopes: [...allScopes.filter((one) => one !== "status:read"), "everything"] })
    await until("the edge knows the token", async () => (await statusOf(token)) === 200)
    expect(await statusOf(token, "/status")).toBe(403)
  })
})
