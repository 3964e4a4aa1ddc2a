import { beforeAll, describe, expect, it } from "vitest"
import { holdCommits } from "../support/Faults.ts"
import { mistakesAfter, read, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, piecesOf, type Sold, sold, wideSold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

// Everything that fits into messages of the input log has to fit into the ledger too. One record that the broker
// refuses would stop a partition for ever.
describe("Large input", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: "1" }))

  beforeAll(async () => {
    await system.startWorker()
  })

  /**
   * Publishes messages of one user's purchases. The actor gets as many purchases at once as a worker gives out before a
   * commit.
   */
  const publishAtOnce = async (...messages: ReadonlyArray<ReadonlyArray<Sold>>) => {
    await system.stopWorkers()
    const held = holdCommits()
    await system.startWorker(held.replace)
    await system.publish([sold("first", String(await system.admin.newestInput(0)))])
    await until("a commit is held", () => held.held.length > 0)
    for (const sales of messages) await system.publish(sales)
    held.release()
    await system.admin.untilApplied()
  }

  it("a worker records 1,600 conflicts that come at once", async () => {
    const clashes = Array.from({ length: 1_600 }, (_, index) => sold("clash", "only", { valueCents: 2 + index }))
    await publishAtOnce([sold("clash", "only", { valueCents: 1 })], clashes)
    expect((await receiptOf(system.ask, "clash", "only")).conflictsRejected).toBe(1_600)
    expect(Object.keys(await system.admin.keys("rejected.>"))).toHaveLength(1_600)
  })

  it("a worker seals a segment after 30,000 repeats", async () => {
    const sales = manySold("again", 30_000, "0f8fad5b-d9cb-469f-a165-70867728950e-")
    await system.publish(sales)
    await system.publish(sales)
    const more = manySold("again", 900, "more")
    for (const piece of piecesOf(more, 300)) {
      await system.publish(piece)
      await system.admin.untilApplied()
    }
    expect(mistakesAfter(await readAccount(system.ask, "again"), [...sales, ...more])).toEqual([])
    expect((await receiptOf(system.ask, "again", sales[0]?.purchaseId ?? "")).repeatsDropped).toBe(1)
  })

  it("a worker applies purchases with the longest texts", async () => {
    const sales = wideSold("wide", 780)
    await publishAtOnce(sales.slice(0, 1), sales.slice(1, 290), sales.slice(290, 490), sales.slice(490))
    expect(mistakesAfter(await readAccount(system.ask, "wide", 100), sales)).toEqual([])
  })

  it("a worker rejects a message of the largest size", async () => {
    const payload = JSON.stringify({ version: 1, purchases: "x".repeat(500_000) })
    const sequence = await system.admin.publish("purchases.0.huge", payload)
    await system.publish([sold("after", "huge")])
    await system.admin.untilApplied()
    expect(await system.admin.value(`rejected.${sequence}.0`)).toMatchObject({ inputSequence: sequence, payload })
    expect((await read(system.ask, "/total/after")).totalDebt).toBe(2_100n)
  })
})
