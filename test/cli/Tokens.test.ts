import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { startEdge, type TestEdge, testSettings } from "../../src/harness/system/TestLedger.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { bearer } from "../support/TestTokens.ts"
import { type Ended, program } from "./Cli.ts"

describe("scripts/purchases tokens", () => {
  let broker: TestBroker
  let edge: TestEdge
  let server: TestServer
  const directory = mkdtempSync(join(tmpdir(), "tokens-"))
  beforeAll(async () => {
    broker = await TestBroker.start()
    edge = await startEdge(testSettings({ NATS_URL: broker.url, PARTITIONS: "2", AUTH: "tokens" }))
    server = await serve(edge.app)
  })
  afterAll(async () => {
    await server.close()
    await edge.stop()
    await broker.stop()
    rmSync(directory, { recursive: true })
  })

  const run = (environment: Record<string, string>, ...words: ReadonlyArray<string>): Promise<Ended> =>
    new Promise((resolve) => {
      const env = {
        ...process.env,
        NATS_URL: broker.url,
        NATS_NKEY_FILE: testKeyFile,
        PURCHASES_URL: `http://127.0.0.1:${server.port}`,
        ...environment
      }
      execFile(program, words, { env }, (failure, out, error) =>
        resolve({ code: failure === null ? 0 : Number(failure.code), out, error })
      )
    })
  const tokens = (...words: ReadonlyArray<string>) => run({}, "tokens", ...words)
  const statusWith = async (token: string) => (await edge.app.request("/rejected", { headers: bearer(token) })).status
  const untilStatus = (token: string, status: number) =>
    until(`the token gets ${status}`, async () => (await statusWith(token)) === status)

  it("an operator makes a token in a file, lists the token without its secret, rolls it and revokes it", async () => {
    const file = join(directory, "token")
    const made = await tokens(
      "create",
      "--name",
      "shop",
      "--scopes",
      "rejected:read,users:read",
      "--out",
      file,
      "--points",
      "50"
    )
    const token = readFileSync(file, "utf8").trim()
    const [, id = ""] = token.split("_")
    expect(made).toEqual({ code: 0, out: `${id} is in ${file}\n`, error: "" })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    await untilStatus(token, 200)
    expect((await run({}, "--token-file", file, "rejected", "list")).out).toBe("Nothing was rejected.\n")
    expect((await run({ PURCHASES_TOKEN: token }, "rejected", "list")).out).toBe("Nothing was rejected.\n")

    // The command makes no token if it cannot keep the secret.
    const again = await tokens("create", "--name", "shop", "--scopes", "all", "--out", file)
    expect([again.code, readFileSync(file, "utf8").trim()]).toEqual([1, token])

    const list = await tokens("list")
    expect(list.out).toMatch(new RegExp(`^${id}  counts   expires .* UTC  shop: rejected:read, users:read; all users;`))
    const json = (await run({}, "--json", "tokens", "list")).out
    expect(JSON.parse(json)).toMatchObject({ id, state: "counts", limits: { pointsPerSecond: 50 } })
    for (const text of [list.out, json]) expect(text).not.toMatch(/sha256|_[A-Za-z0-9_-]{43}/)

    const rolled = await tokens("roll", id)
    const newer = rolled.out.trim()
    await untilStatus(newer, 200)
    expect(await statusWith(token)).toBe(401)
    expect((await tokens("revoke", id)).out).toBe(`${id} is revoked\n`)
    await untilStatus(newer, 401)
    expect((await tokens("list")).out).toMatch(/revoked/)
    const unwritten = await tokens("roll", "000000000000", "--out", join(directory, "unwritten"))
    expect([unwritten.code, existsSync(join(directory, "unwritten"))]).toEqual([1, false])
    expect((await tokens("roll", id)).error).toBe(`purchases: The token ${id} is revoked. Create another one.\n`)
  })

  it("a command without a right token prints the message of the service, and shows no token", async () => {
    const missing = await run({}, "total", "ann")
    expect(missing).toMatchObject({
      code: 1,
      error: "purchases: This needs a token. Send it in the header Authorization: Bearer.\n"
    })
    const wrong = await run({ PURCHASES_TOKEN: "pl_secret" }, "total", "ann")
    expect(wrong.error).toBe("purchases: This token does not exist. Check it, or ask for a new one.\n")
    const file = await run({}, "--token-file", join(directory, "none"), "total", "ann")
    expect([file.code, file.error]).toEqual([
      2,
      expect.stringMatching(/^purchases: --token-file .*none cannot be read/)
    ])
    const lines = await run({ PURCHASES_TOKEN: "se\ncret" }, "total", "ann")
    expect([lines.code, lines.error]).toEqual([2, "purchases: PURCHASES_TOKEN holds no token.\n"])
  })

  it.each([
    [["create", "--name", "x", "--scopes", "everything"], /has no scope everything/],
    [["create", "--name", "x", "--scopes", "all", "--expires", "soon"], /must be a time like 90d/],
    [["create", "--scopes", "all"], /--name is missing/],
    [["revoke", "nonsense"], /must be the id of a token/]
  ] as const)("a wrong command line is refused: tokens %s", async (words, message) => {
    const { code, error } = await tokens(...words)
    expect([code, error]).toEqual([2, expect.stringMatching(message)])
  })

  it("a token that does not exist cannot be revoked", async () => {
    const { code, error } = await tokens("revoke", "000000000000")
    expect([code, error]).toEqual([1, "purchases: There is no token 000000000000. List the tokens.\n"])
  })
})
