import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { runFaults } from "./FaultRun.ts"
import { describeResult, invalidOf, isAsPromised } from "./Verdict.ts"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
/** Reading all accounts, and starting everything again, comes on top of the faults. */
const timeout = 400_000

describe("Faults of real processes", () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const run = async (minutes: number, mistake?: number) => {
    const logPath = join(directory, "operations.jsonl")
    const planted = mistake === undefined ? {} : { mistake }
    const result = await runFaults({ seed, minutes, isCluster: false, logPath, ...planted })
    console.info(describeResult(result))
    return result
  }

  it(
    "for two minutes leave everything as promised",
    async () => {
      const result = await run(2)
      expect(invalidOf(result)).toEqual([])
      expect(result.findings.examples).toEqual([])
      expect(result.unexpected).toEqual([])
      expect(isAsPromised(result)).toBe(true)
    },
    timeout
  )

  it.each([
    [1, "doubled"],
    [3, "lost"]
  ] as const)(
    "show the planted mistake %i: something is %s",
    async (mistake, found) => {
      const { findings } = await run(0.5, mistake)
      expect(findings.count(found)).toBeGreaterThan(0)
    },
    timeout
  )
})
