import { describe, expect, it } from "vitest"
import { Findings } from "../../../src/harness/faults/Findings.ts"
import { describeResult, invalidOf, isAsPromised, type RunResult } from "../../../src/harness/faults/Verdict.ts"

const good: RunResult = {
  seed: 7,
  operations: { ok: 50, failed: 30, unknown: 20 },
  planned: new Map([["poison", 2]]),
  injected: new Map([["poison", 2]]),
  skipped: [],
  findings: new Findings(),
  unexpected: [],
  worstPause: 1_500,
  drained: 200,
  judged: 300,
  delivered: 400,
  attempts: 20,
  failedAttempts: 2,
  alerts: 10,
  changes: 5,
  refusedCommits: 1
}

const broken = () => {
  const findings = new Findings()
  for (let count = 0; count < 25; count += 1) findings.add("I1 lost", `ann/${count}`)
  return { ...good, findings }
}

describe("The verdict on a fault run", () => {
  it("a fault run is good if all faults happened, half of the operations were ok and no mistake was found", () => {
    expect(isAsPromised(good)).toBe(true)
    expect(describeResult(good)).toContain("All is as promised. Seed 7 repeats the plan.")
  })

  it("a run is bad if a mistake was found, and the verdict shows ten examples of the mistake", () => {
    expect({ isAsPromised: isAsPromised(broken()), invalid: invalidOf(broken()) }).toEqual({
      isAsPromised: false,
      invalid: []
    })
    const text = describeResult(broken())
    expect(text).toMatch(/lost +25\n/)
    expect(text.match(/lost: ann/g)).toHaveLength(10)
    expect(text).toContain("BROKEN")
  })

  it("a run is bad if an answer or the end of a process is not explained by a fault", () => {
    expect(isAsPromised({ ...good, unexpected: ["POST /purchases: 500"] })).toBe(false)
  })

  it("a run is good if nearly all planned faults happened, and invalid if fewer faults happened", () => {
    const planned = new Map([["death at a step of a commit", 100]] as const)
    const happened = (count: number): RunResult => ({
      ...good,
      planned,
      injected: new Map([["death at a step of a commit", count]])
    })
    expect({ with90: isAsPromised(happened(90)), with89: isAsPromised(happened(89)) }).toEqual({
      with90: true,
      with89: false
    })
  })

  const incomplete: ReadonlyArray<readonly [string, Partial<RunResult>]> = [
    ["less than half of the operations were ok", { operations: { ok: 49, failed: 31, unknown: 20 } }],
    ["less than half of the operations were ok", { operations: { ok: 0, failed: 0, unknown: 0 } }],
    ["poison: 1 of 2 planned", { injected: new Map([["poison", 1]]) }],
    ["no alert was delivered to a webhook", { attempts: 0 }],
    ["poison: 0 of 2 planned", { injected: new Map() }]
  ]

  it.each(incomplete)("a fault run is invalid for this reason: %s", (reason, different) => {
    const result = { ...good, ...different }
    expect({ isAsPromised: isAsPromised(result), invalid: invalidOf(result) }).toEqual({
      isAsPromised: false,
      invalid: [reason]
    })
    expect(describeResult(result)).toContain(`INVALID, this run proves nothing: ${reason}`)
  })
})
