import { execFile } from "node:child_process"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { auditLine } from "../../scripts/cli/audit.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { startService, type TestService } from "../support/TestService.ts"
import { bearer, TestTokens } from "../support/TestTokens.ts"
import { type Ended, program } from "./Cli.ts"

describe("scripts/purchases audit log", () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  let operator: string
  let limited: string
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
    limited = await tokens.create({ name: "limited", scopes: ["users:read"] })
    operator = await tokens.create({ name: "operator" })
    await until(
      "the edge knows the tokens",
      async () => (await service.get("/status", bearer(operator))).status === 200
    )
    for (const user of ["ann", "bob", "cid"]) {
      const answer = await service.edge.app.request(`/generate/1/${user}`, {
        method: "POST",
        headers: bearer(operator)
      })
      expect(answer.status).toBe(200)
    }
  })
  afterAll(async () => {
    await server.close()
    await tokens.stop()
    await service.stop()
  })

  const run = (token: string, ...words: ReadonlyArray<string>): Promise<Ended> =>
    new Promise((resolve) => {
      const env = { ...process.env, PURCHASES_URL: `http://127.0.0.1:${server.port}`, PURCHASES_TOKEN: token }
      execFile(program, words, { env }, (failure, out, error) =>
        resolve({ code: failure === null ? 0 : Number(failure.code), out, error })
      )
    })

  it("the command prints a line for each record, newest first, up to the number in --limit", async () => {
    const { code, out } = await run(operator, "audit", "log", "--limit", "2")
    expect({
      code,
      paths: out
        .trim()
        .split("\n")
        .map((line) => line.split("  ").at(-1))
    }).toEqual({
      code: 0,
      paths: ["/generate/1/cid", "/generate/1/bob"]
    })
    expect(out).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}[0-9a-f]{12} \(operator\) {2}\S.* {2}generateByPost {2}/
    )
  })

  it("the command prints the records of one caller, of one change and since a time as JSON lines", async () => {
    const [, id] = operator.split("_")
    const words = ["--json", "audit", "log", "--by", "operator", "--what", "generateByPost", "--since", "1h", "--all"]
    const { out } = await run(operator, ...words)
    const records = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { by: string; of: string })
    expect(records.map(({ by, of }) => [by, of])).toEqual([
      [id, "/generate/1/cid"],
      [id, "/generate/1/bob"],
      [id, "/generate/1/ann"]
    ])
  })

  it("the command says that there is no record of a caller who changed nothing", async () => {
    expect(await run(operator, "audit", "log", "--by", "nobody")).toMatchObject({
      code: 0,
      out: "The audit log has no such record.\n"
    })
  })

  it("the command ends with 2 if --since has no time, and with 1 if the token lacks the scope", async () => {
    const wrong = await run(operator, "audit", "log", "--since", "yesterday")
    expect(wrong).toMatchObject({ code: 2, error: expect.stringContaining("must be a time before now like 24h") })
    const refused = await run(limited, "audit", "log")
    expect(refused).toMatchObject({ code: 1, error: expect.stringContaining("audit:read") })
  })

  it("a record of the command line is printed without an address and without control characters", () => {
    const line = auditLine({
      sequence: 1,
      at: "2026-01-31T12:00:00.000Z",
      by: "root@host",
      name: "a\u001B[2J",
      what: "createToken",
      of: "0123456789ab"
    })
    expect(line).toBe("2026-01-31 12:00:00 UTC  root@host (a\uFFFD[2J)  command line  createToken  0123456789ab")
  })
})
