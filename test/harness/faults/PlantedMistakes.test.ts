import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { runFaults } from "../../../src/harness/faults/FaultRun.ts"
import { isAsPromised } from "../../../src/harness/faults/Verdict.ts"

/**
 * The seed of a plan of 24 seconds with deaths of workers, repeats after the duplicate window, and another content
 * under a known purchase id. The plan also kills judges.
 */
const seed = 71
const minutes = 0.4
/**
 * The most runs until a planted mistake must be found. What a process has in hand when it dies differs from run to run.
 */
const runsMax = 3

describe("A fault run", () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it.each([
    ["a worker does not load the ids of an account", "1", "I4 disagreeing"],
    ["a worker keeps no record of what it rejects", "21", "I1 unrecorded"],
    ["a judge writes the cursor of a webhook before the answer", "J15", "A9 not delivered"]
  ] as const)(
    "a fault run finds the planted mistake that %s",
    async (_name, mistake, found) => {
      for (let run = 1; run <= runsMax; run += 1) {
        const logPath = join(directory, `log-${run}.jsonl`)
        const result = await runFaults({ seed, minutes, isCluster: false, logPath, mistake })
        if (result.findings.count(found) === 0) continue
        return expect(isAsPromised(result)).toBe(false)
      }
      expect.unreachable(`not found in ${runsMax} runs`)
    },
    runsMax * 180_000
  )
})
