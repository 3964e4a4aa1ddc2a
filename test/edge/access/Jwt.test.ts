import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from "jose"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { JwtVerifier } from "../../../src/edge/access/JwtVerifier.ts"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { TestBroker } from "../../../src/harness/system/TestBroker.ts"
import { startEdge, testSettings } from "../../../src/harness/system/TestLedger.ts"
import { bearer } from "../../support/TestTokens.ts"

const issuer = "https://issuer.example"
const audience = "ledger"
const start = 1_700_000_000
const claims = { iss: issuer, aud: audience, sub: "ann", exp: start + 100, scope: "users:read status:read" }

const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true })
const other = await generateKeyPair("ES256")
const rsa = await generateKeyPair("RS256", { extractable: true })
const rsa512 = await importJWK(await exportJWK(rsa.privateKey), "RS512")
const keySet = {
  keys: [
    { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" },
    // The key has no `alg`, so it could be used with any algorithm of its type.
    { ...(await exportJWK(rsa.publicKey)), kid: "rsa" }
  ]
}

const signed = (payload: JWTPayload, key: CryptoKey | Uint8Array = privateKey, alg = "ES256", kid = "1") =>
  new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(key)
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")

describe("a JSON web token", () => {
  let now = start * 1_000
  const verifier = new JwtVerifier(createLocalJWKSet(keySet), { issuer, audience }, () => now)
  const detailOf = async (token: string): Promise<string> => {
    const caller = await verifier.identify(token)
    return isProblem(caller) ? `${caller.status} ${caller.detail}` : caller.name
  }
  const without = (name: keyof typeof claims): JWTPayload =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))

  it("a token of the issuer has its scopes, and allows only the data of its own user", async () => {
    const caller = await verifier.identify(await signed(claims))
    expect(caller).toMatchObject({
      id: "ann",
      scopes: new Set(["users:read", "status:read"]),
      users: { only: ["ann"] }
    })
  })

  it.each([
    ["all", "all"],
    [["bob", "cleo"], { only: ["bob", "cleo"] }],
    [{ prefix: "shop-" }, { prefix: "shop-" }],
    [7, { only: [] }],
    [[7], { only: [] }]
  ])("a token with the claim ledger_users %j allows the users %j", async (users, expected) => {
    expect(await verifier.identify(await signed({ ...claims, ledger_users: users }))).toMatchObject({ users: expected })
  })

  it.each([
    ["another issuer", { ...claims, iss: "https://other.example" }, "iss"],
    ["another audience", { ...claims, aud: "shop" }, "aud"],
    ["no issuer", without("iss"), "iss"],
    ["no audience", without("aud"), "aud"],
    ["no end", without("exp"), "exp"],
    ["no subject", without("sub"), "sub"],
    ["a later time from which it is valid", { ...claims, nbf: start + 50 }, "nbf"]
  ] as const)("a token with %s is refused", async (_what, payload, claim) => {
    const expected = `401 The claim ${claim} of this token is missing or wrong. Ask for a new one.`
    expect(await detailOf(await signed(payload))).toBe(expected)
  })

  it("a token is valid until it expires, even if an edge has kept the token as verified", async () => {
    const token = await signed({ ...claims, exp: start + 8 })
    const caller = await verifier.identify(token)
    expect(isProblem(caller)).toBe(false)
    now += 12_999
    expect(await detailOf(token)).toBe("ann")
    now += 1
    expect(await detailOf(token)).toBe("401 This token has expired. Ask for a new one.")
    expect(isProblem(caller) ? undefined : caller.ended()?.status).toBe(401)
    now = start * 1_000
  })

  it("a token of another key, without a signature, or with a secret algorithm is refused", async () => {
    const unreadable = "401 This token is not a JWT that this service takes. Ask for a new one."
    expect(await detailOf(await signed(claims, other.privateKey))).toBe(unreadable)
    expect(await detailOf(await signed(claims, other.privateKey, "ES256", "2"))).toMatch(
      /a key that this service does not know/
    )
    expect(await detailOf(`${part({ alg: "none" })}.${part(claims)}.`)).toBe(unreadable)
    // Everybody knows the public key, so it must not be accepted as the secret of an HMAC.
    const publicText = new TextEncoder().encode(await exportSPKI(publicKey))
    expect(await detailOf(await signed(claims, publicText, "HS256"))).toBe(unreadable)
    const [header, , signature] = (await signed(claims)).split(".")
    expect(await detailOf(`${header}.${part({ ...claims, sub: "bob" })}.${signature}`)).toBe(unreadable)
    for (const text of ["", "a.b.c", "pl_x", "x".repeat(100_000)]) expect(await detailOf(text), text).toBe(unreadable)
  })

  it("a token with an algorithm that is not allowed is refused, although its key is right", async () => {
    expect(await detailOf(await signed(claims, rsa.privateKey, "RS256", "rsa"))).toBe("ann")
    expect(await detailOf(await signed(claims, rsa512, "RS512", "rsa"))).toMatch(/^401 This token is not a JWT/)
  })

  it("a token is refused with 503 while the keys of the issuer cannot be read", async () => {
    const withoutKeys = new JwtVerifier(
      () => Promise.reject(new Error("connection refused")),
      { issuer, audience },
      () => now
    )
    expect(await withoutKeys.identify(await signed(claims))).toMatchObject({ status: 503 })
  })
})

describe("an edge with AUTH=jwt", () => {
  const directory = mkdtempSync(join(tmpdir(), "jwt-"))
  const keys = join(directory, "keys.json")
  let broker: TestBroker
  beforeAll(async () => {
    writeFileSync(keys, JSON.stringify(keySet))
    broker = await TestBroker.start()
  })
  afterAll(async () => {
    await broker.stop()
    rmSync(directory, { recursive: true })
  })

  it("an edge serves callers with a token of the issuer, and refuses all other callers", async () => {
    const edge = await startEdge(
      testSettings({ NATS_URL: broker.url, AUTH: "jwt", JWT_KEYS: keys, JWT_ISSUER: issuer, JWT_AUDIENCE: audience })
    )
    const exp = Math.floor(Date.now() / 1_000) + 60
    const statusOf = async (payload: JWTPayload, path: string) =>
      (await edge.app.request(path, { headers: bearer(await signed(payload)) })).status
    expect(await statusOf({ ...claims, exp }, "/status")).toBe(200)
    expect(await statusOf({ ...claims, exp }, "/rejected")).toBe(403)
    expect(await statusOf({ ...claims, exp }, "/users/bob/total")).toBe(404)
    expect(await statusOf(claims, "/status")).toBe(401)
    expect((await edge.app.request("/status")).status).toBe(401)
    await edge.stop()
  })
})
