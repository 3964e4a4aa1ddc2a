import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { runFaults } from "../../../src/harness/faults/FaultRun.ts"
import { describeResult, invalidOf, isAsPromised } from "../../../src/harness/faults/Verdict.ts"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
/**
 * The timeout is longer than the faults, because all accounts are read and all processes are started again after the
 * faults.
 */
const timeout = 400_000

describe("Faults of real processes", () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it(
    "two minutes of faults of real processes break no invariant",
    async () => {
      const result = await runFaults({ seed, minutes: 2, isCluster: false, logPath: join(directory, "log.jsonl") })
      console.info(describeResult(result))
      expect(invalidOf(result)).toEqual([])
      expect(result.findings.examples).toEqual([])
      expect(result.unexpected).toEqual([])
      expect(isAsPromised(result)).toBe(true)
    },
    timeout
  )
})
