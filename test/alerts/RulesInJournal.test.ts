import { describe, expect, it } from "vitest"
import { encodeRuleSet } from "../../src/rules/RuleSet.ts"
import { rulesSubject } from "../../src/protocol/Subject.ts"
import { LedgerWatch } from "../../src/harness/simulation/History.ts"
import { post, mistakesAfter, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { mistakesInChain } from "../support/ChainOrder.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

const headers = { "content-type": "application/json" }
const rule = (threshold: number) => JSON.stringify({ measure: "value", is: "equal", threshold })

describe("a journal with rules between its commits", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: "2" }))
  const served = startedBeforeAll(async () => {
    const { close, ...edge } = await serveEdge(system.edge)
    return { ...edge, stop: close }
  })
  const users = ["ann", "bob@x.org"]
  const sales = users.map((user) => Array.from({ length: 12 }, (_, index) => sold(user, `p${index}`)))

  /** Changes a rule of each user, so that the journal has values of rules before and after each commit. */
  const changeRules = async (threshold: number) => {
    for (const user of users) {
      const answer = await system.ask(`/users/${user}/rules/r`, { method: "PUT", headers, body: rule(threshold) })
      expect([200, 201]).toContain(answer.status)
    }
  }

  const buy = async (from: number, to: number) => {
    for (let index = from; index < to; index += 1) {
      await changeRules(index + 1)
      for (const own of sales) {
        const sale = own[index]
        if (sale === undefined) throw new Error(`there is no purchase ${index}`)
        expect((await post(system.ask, sale, { prefer: "wait=10" })).status).toBe(201)
      }
    }
    await changeRules(to + 1_000)
  }

  const expectExact = async (bought: number) => {
    for (const own of sales) {
      const expected = own.slice(0, bought)
      const user = own[0]?.userId ?? ""
      expect(mistakesAfter(await readAccount(system.ask, user, 3), expected)).toEqual([])
      expect(await receiptOf(system.ask, user, `p${bought - 1}`)).toMatchObject({ number: bought })
    }
    for (const partition of [0, 1]) expect(mistakesInChain(await system.admin.commits(partition))).toEqual([])
  }

  it("reads of accounts, feeds, rejected records and the nats CLI skip the stored rules of users", async () => {
    await system.startWorker()
    await changeRules(500)
    const live = await served.open("/feed")
    await buy(0, 6)
    await expectExact(6)
    const fromBeginning = await served.open("/feed", "0")
    const own = await served.open("/users/ann/feed", "0")
    await until(
      "each feed has all",
      () => [live, fromBeginning].every(({ purchaseIds }) => purchaseIds.length === 12) && own.purchaseIds.length === 6
    )
    expect(fromBeginning.applied).toEqual(live.applied)
    expect(own.purchaseIds).toEqual(sales[0]?.slice(0, 6).map(({ purchaseId }) => purchaseId))
    for (const reader of [live, fromBeginning, own]) reader.close()

    const sequence = await system.admin.publish("purchases.0.=many", "{")
    await changeRules(600)
    await until("it is rejected", async () => (await system.ask(`/rejected/${sequence}/0`)).status === 200)
    const { rejected } = (await (await system.ask("/rejected")).json()) as { rejected: ReadonlyArray<object> }
    expect(rejected).toMatchObject([{ inputSequence: sequence }])

    const client = await connectAs("admin", system.broker.url)
    const inspected = await client.request("ledger.account.ann", "", { timeout: 5_000 })
    expect(inspected.json()).toMatchObject({ userId: "ann", purchaseCount: 6 })
    await client.close()
  })

  it("another worker takes over a chain with rules between its commits, with stored heads and without them", async () => {
    await system.stopWorkers()
    await changeRules(700)
    await system.startWorker({}, { workerId: "second" })
    await buy(6, 9)
    await expectExact(9)
    await system.stopWorkers()
    const client = await connectAs("admin", system.broker.url)
    await (await client.jetstreamManager()).streams.purge("KV_heads")
    await client.close()
    await system.startWorker({}, { workerId: "third" })
    await buy(9, 12)
    await expectExact(12)
  })

  it("the journal keeps a user's rules as they were after each change, and a user reads the newest rules", async () => {
    for (const user of ["ann", "bob=40x=2Eorg"]) {
      expect((await system.admin.keys("rules.*"))[`rules.${user}`]).toBe(18)
    }
    const list = (await (await system.ask("/users/ann/rules")).json()) as { rules: ReadonlyArray<unknown> }
    expect(list.rules).toMatchObject([{ ruleId: "r", rule: { threshold: 1_012 } }])
  })
})

describe("the watch of the simulated journal", () => {
  it("the watch takes the stored rules of a user neither for a commit nor for a rejected record", () => {
    const watch = new LedgerWatch()
    const payload = encodeRuleSet({ changes: 1, rules: [] })
    for (const sequence of [1, 2]) watch.stored({ subject: rulesSubject("ann"), payload, sequence, storedAt: 0 })
    expect({ problems: watch.problems, histories: watch.histories.size }).toEqual({ problems: [], histories: 0 })
  })
})
