import { execFile } from "node:child_process"
import { beforeAll, describe, expect, it } from "vitest"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { withRevision, sequenceOf } from "../audit/Damage.ts"
import { type LedgerCopy, restoreLedger } from "../audit/LedgerCopy.ts"
import { bob, seedLedger, startSeeded } from "../audit/SeededLedger.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { type Ended, program } from "./Cli.ts"

describe("scripts/purchases audit", () => {
  const system = startedBeforeAll(startSeeded)
  let copy: LedgerCopy
  beforeAll(async () => {
    copy = await seedLedger(system)
  })

  const run = (environment: Record<string, string>, ...words: ReadonlyArray<string>): Promise<Ended> =>
    new Promise((resolve) => {
      const env = { ...process.env, NATS_URL: system.broker.url, NATS_NKEY_FILE: testKeyFile, ...environment }
      execFile(program, words, { env }, (failure, out, error) =>
        resolve({ code: failure === null ? 0 : Number(failure.code), out, error })
      )
    })

  it("an audit without findings prints what it has audited, and ends with 0", async () => {
    const text = await run({}, "audit")
    expect(text).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^40 purchases and 2 reversals of 3 accounts audited up to journal sequence [0-9]+ in [0-9.]+ s: no findings\n$/
      ),
      error: ""
    })
    const json = await run({}, "--json", "audit", "--memory", "64")
    expect([json.code, JSON.parse(json.out)]).toEqual([
      0,
      {
        findings: 0,
        accounts: 3,
        purchases: 40,
        reversals: 2,
        journalThrough: copy.journal.length,
        inputFrom: 1,
        inputThrough: copy.input.length,
        passes: 1,
        milliseconds: expect.any(Number)
      }
    ])
  })

  it("an audit with findings prints a line for each, and ends with 1", async () => {
    const sequence = sequenceOf(copy, "commit.", '["b3","Lamp"')
    await restoreLedger(
      system,
      withRevision(copy, sequence, bob, (revision) => void (revision.total += 1n))
    )
    const place = `commit ${sequence}, user ${bob}`
    const problem = "the total is 4201 cents, and the entries make 4200"
    const text = await run({}, "audit")
    expect([text.code, text.out.split("\n").slice(0, -2), text.out]).toEqual([
      1,
      [`${place}: ${problem}`],
      expect.stringMatching(/: 1 findings\n$/)
    ])
    const json = await run({}, "audit", "--json")
    expect([
      json.code,
      ...json.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown)
    ]).toEqual([1, { place, problem }, expect.objectContaining({ findings: 1 })])
  })

  it("an audit that cannot be finished ends with 2 for a wrong command line, and with 3 without a broker", async () => {
    expect(await run({}, "audit", "--memory", "0")).toMatchObject({
      code: 2,
      error: expect.stringContaining("must be a whole number from 1")
    })
    expect(await run({ NATS_NKEY_FILE: "/nowhere/{role}.nk" }, "audit")).toMatchObject({
      code: 2,
      error: expect.stringContaining("/nowhere/inspector.nk")
    })
    expect(await run({ NATS_URL: "nats://127.0.0.1:1" }, "audit")).toEqual({
      code: 3,
      out: "",
      error: "purchases: The broker does not answer. The audit reads the broker of NATS_URL.\n"
    })
  })

  it("the help of the audit names its flag, its examples and the audit log", async () => {
    const { code, out } = await run({}, "audit", "--help")
    expect(code).toBe(0)
    for (const text of ["--memory", "Ends with 1 if something does not agree", "purchases audit log"]) {
      expect(out).toContain(text)
    }
  })
})
