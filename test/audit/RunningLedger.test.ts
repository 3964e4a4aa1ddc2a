import { beforeAll, describe, expect, it } from "vitest"
import { sold } from "../../src/harness/system/Sold.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { auditOf } from "./LedgerCopy.ts"

const users = 300
const rounds = 6
const messagesOfRound = 20

describe("the audit of a ledger that is in use", () => {
  const system = startedBeforeAll(() => TestSystem.start({ TEST_HEADS_REVISIONS: "50" }))
  let stored = 0

  /** Stores one purchase of each of a part of the users. */
  const storePart = async (round: number, part: number) => {
    const ids = Array.from({ length: users / messagesOfRound }, (_, index) => `user-${index * messagesOfRound + part}`)
    for (const [, ofPartition] of Map.groupBy(ids, (user) => system.partitionOf(user))) {
      await system.publish(ofPartition.map((user) => sold(user, `p${round}`)))
      stored += ofPartition.length
    }
  }
  const storeRound = async (round: number) => {
    for (let part = 0; part < messagesOfRound; part += 1) await storePart(round, part)
  }

  beforeAll(async () => {
    await system.startWorker()
    await storeRound(0)
  })

  it("audits that begin while purchases are stored and applied have no findings", async () => {
    const over = new AbortController()
    const storing = (async () => {
      for (let round = 1; round <= rounds; round += 1) await storeRound(round)
      over.abort()
    })()
    let audits = 0
    while (!over.signal.aborted) {
      const report = await auditOf(system.settings, audits % 2 === 0 ? undefined : 600_000)
      expect(report.findings).toEqual([])
      audits += 1
    }
    await storing
    expect(audits).toBeGreaterThan(1)
  })

  it("an audit with little memory makes several passes, and finds and counts the same", async () => {
    await system.admin.untilApplied()
    await system.stopWorkers()
    const whole = await auditOf(system.settings)
    expect(whole).toMatchObject({ findings: [], passes: 1, accounts: users, purchases: stored })
    const parts = await auditOf(system.settings, 400_000)
    expect(parts).toEqual({ ...whole, passes: parts.passes })
    expect(parts.passes).toBeGreaterThan(2)
  })

  it("an audit whose memory is too small for one user says how much that user needs", async () => {
    await expect(auditOf(system.settings, 50_000)).rejects.toThrow(
      "The tables of one user need 1 MiB. Give the audit more with --memory."
    )
  })

  it("an audit leaves out input that the janitor has removed", async () => {
    await system.admin.api("STREAM.PURGE.PURCHASES", { seq: 40 })
    const report = await auditOf(system.settings)
    expect(report).toMatchObject({ findings: [], accounts: users, purchases: stored, inputFrom: 40 })
  })
})
