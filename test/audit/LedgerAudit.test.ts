import { beforeAll, describe, expect, it } from "vitest"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { damages } from "./Damages.ts"
import { auditOf, type LedgerCopy, restoreLedger } from "./LedgerCopy.ts"
import { seedLedger, startSeeded } from "./SeededLedger.ts"

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
/** Returns a pattern of a finding, in which `N` stands for any number. */
const patternOf = (finding: string): RegExp => new RegExp(`^${escaped(finding).replaceAll(/\bN\b/g, "[0-9]+")}$`)

describe("the audit of a ledger", () => {
  const system = startedBeforeAll(startSeeded)
  let copy: LedgerCopy
  beforeAll(async () => {
    copy = await seedLedger(system)
  })

  const audited = { accounts: 3, purchases: 40, reversals: 2, findingCount: 0, findings: [], passes: 1 }

  it("a ledger that workers made has no findings", async () => {
    expect(await auditOf(system.settings)).toMatchObject({ ...audited, journalThrough: copy.journal.length })
  })

  it("an unchanged copy of the ledger has no findings", async () => {
    await restoreLedger(system, copy)
    expect(await auditOf(system.settings)).toMatchObject(audited)
  })

  it("an empty ledger has no findings", async () => {
    await restoreLedger(system, { journal: [], input: [], heads: [] })
    const nothing = { accounts: 0, purchases: 0, reversals: 0, findings: [], journalThrough: 0, inputFrom: 0 }
    expect(await auditOf(system.settings)).toMatchObject(nothing)
  })

  it.each(damages)("$title is found, with its place", async ({ apply, findings }) => {
    await restoreLedger(system, apply(copy))
    const report = await auditOf(system.settings)
    const texts = report.findings.map(({ place, problem }) => `${place}: ${problem}`)
    expect(texts).toEqual(findings.map((finding) => expect.stringMatching(patternOf(finding))))
    expect(report.findingCount).toBe(findings.length)
  })
})
