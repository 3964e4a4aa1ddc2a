import { getPriority } from "node:os"
import { Effect, Exit } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { groupsOf } from "../../src/harness/alerts/AlertCheck.ts"
import { mistakesOfJudge, positionsOf, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold, piecesOf, type Sold, sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { JudgeReplacements } from "../../src/harness/system/TestLedger.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { ShardProgress } from "../../src/judge/ShardProgress.ts"
import { runShard } from "../../src/judge/ShardRun.ts"
import { encodeAlertPosition } from "../../src/protocol/AlertPosition.ts"
import { alertFilter, alertPositionSubject, alertsStream } from "../../src/protocol/Subject.ts"
import { failureOf } from "../../src/runtime/ExitFailure.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

/** Replaces the signs of life of a judge, so that no other judge hears this judge. */
const silent: JudgeReplacements = { signs: (real) => ({ ...real, give: () => Effect.void }) }

/** The number of users whose rules one purchase meets. The variable OWNERS sets a larger number. */
const owners = Number(process.env["OWNERS"] ?? 2_000)
const ownersTimeout = 60_000 + 5 * owners
const writesAtOnce = 20

/** Every purchase of every user meets this rule. */
const everyPurchase = { who: "all", measure: "quantity", is: "greater-or-equal", threshold: 1 }

describe("A judge", () => {
  const system = startedBeforeEach(() => TestSystem.start())
  const processes = new Set<TestProcess>()

  afterEach(async () => {
    for (const process of processes) await process.kill()
    processes.clear()
  })

  const alerts = async () => groupsOf(await system.admin.records(alertsStream, alertFilter))
  const buy = async (sale: Sold) =>
    expect((await post(system.ask, sale, { prefer: "wait=20" })).status, sale.purchaseId).toBe(201)

  /** Stores one purchase of each of many users, and waits until all of these purchases are applied. */
  const crowdBuys = async (users: number, name = "crowd") => {
    const sales = Array.from({ length: users }, (_, index) => sold(`${name}-${index}`, "1"))
    const ofPartitions = Map.groupBy(sales, ({ userId }) => system.partitionOf(userId))
    for (const ofPartition of ofPartitions.values()) await system.publish(ofPartition)
    await system.admin.untilApplied()
  }

  /** Expects exactly the alerts that follow from the journal, and positions of the shard that never go back. */
  const expectJudged = async (withinMilliseconds?: number) => {
    await untilJudged(system.admin, 0, withinMilliseconds)
    expect(await mistakesOfJudge(system.admin)).toEqual([])
    const reached = (await positionsOf(system.admin)).map(({ through, messages }) => through + messages / 1e6)
    expect(reached).toEqual(reached.toSorted((one, other) => one - other))
  }

  it("a judge gives exactly one alert for each rule that a purchase meets", async () => {
    await system.startWorker()
    await system.startJudge()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "lamps", { product: "Lamp", measure: "value", is: "less-or-equal", threshold: 10.5 })
    await rules.put("ann", "budget", { measure: "spent", is: "crosses", threshold: 40 })
    await rules.put("bob", "all", { who: "all", measure: "count", within: "P1D", is: "greater-or-equal", threshold: 2 })
    await buy(sold("ann", "1"))
    await buy(sold("cy", "1"))
    await buy(sold("ann", "2"))
    await buy(sold("ann", "3", { valueCents: 1_051 }))
    await expectJudged()
    expect((await alerts()).map(({ owner, alerts }) => [owner, alerts.map(({ ruleId }) => ruleId)])).toEqual([
      ["ann", ["lamps"]],
      ["ann", ["lamps", "budget"]],
      ["bob", ["all"]],
      ["bob", ["all"]]
    ])
  })

  it.each(["before-commit", "commit-sent", "committed"])(
    "after a judge dies at the step %s of a commit, another judge neither loses nor repeats an alert",
    async (step) => {
      await system.startWorker()
      const rules = new RuleBook(system.admin)
      await rules.put("ann", "all", everyPurchase)
      await rules.put("bob", "budget", { who: "all", measure: "spent", within: "P7D", is: "crosses", threshold: 50 })
      const process = new TestProcess("judge", {
        NATS_URL: system.broker.url,
        WORKER_ID: "first",
        TEST_CRASH_POINT: `${step}:3`
      })
      processes.add(process)
      for (let round = 0; round < 4; round += 1) {
        await crowdBuys(20, `round-${round}`)
        await buy(sold("cy", `${round}`))
        await Promise.race([untilJudged(system.admin), process.ended])
      }
      expect((await process.ended).signal).toBe("SIGKILL")
      await system.startJudge({}, { workerId: "second" })
      await expectJudged()
    }
  )

  it("the process of a judge has the niceness of JUDGE_NICE, so that workers get processor time first", async () => {
    await system.startWorker()
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    const process = new TestProcess("judge", { NATS_URL: system.broker.url, WORKER_ID: "first", JUDGE_NICE: "7" })
    processes.add(process)
    await buy(sold("ann", "1"))
    await expectJudged()
    expect(getPriority(process.pid)).toBe(7)
  })

  it(
    "a judge goes on in the middle of one purchase whose alerts do not fit into one batch",
    { timeout: 3 * ownersTimeout },
    async () => {
      await system.startWorker()
      const rules = new RuleBook(system.admin)
      const names = Array.from({ length: owners }, (_, owner) => `owner-${owner}`)
      for (const some of piecesOf(names, writesAtOnce)) {
        await Promise.all(some.map((owner) => rules.put(owner, "all", everyPurchase)))
      }
      const before = await system.startJudge()
      await untilJudged(system.admin, 0, ownersTimeout)
      await before.stop()
      await buy(sold("ann", "1"))
      const process = new TestProcess("judge", {
        NATS_URL: system.broker.url,
        WORKER_ID: "first",
        TEST_CRASH_POINT: "committed:1"
      })
      processes.add(process)
      expect((await process.ended).signal).toBe("SIGKILL")
      const between = (await alerts()).length
      expect(between).toBeGreaterThan(0)
      expect(between).toBeLessThan(owners)
      expect((await positionsOf(system.admin)).at(-1)?.messages).toBe(between)
      await system.startJudge({}, { workerId: "second" })
      await expectJudged(ownersTimeout)
      expect(await alerts()).toHaveLength(owners)
    }
  )

  it("two judges of the same shard store each alert only once", async () => {
    await system.startWorker()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "all", everyPurchase)
    // Neither judge hears the signs of life of the other judge.
    await system.startJudge(silent, { workerId: "first" })
    await system.startJudge(silent, { workerId: "second" })
    for (let round = 0; round < 5; round += 1) await crowdBuys(30, `round-${round}`)
    await expectJudged()
    expect(await alerts()).toHaveLength(150)
  })

  it("a judge judges each purchase by the rules before it in the journal, even after a restart", async () => {
    await system.startWorker()
    const first = await system.startJudge()
    const rules = new RuleBook(system.admin)
    const costly = (threshold: number) => ({ measure: "value", is: "greater-or-equal", threshold })
    await rules.put("ann", "costly", costly(10))
    await buy(sold("ann", "1"))
    await untilJudged(system.admin)
    await first.stop()
    await buy(sold("ann", "2"))
    await rules.put("ann", "costly", costly(20))
    await rules.put("bob", "new", everyPurchase)
    await buy(sold("ann", "3"))
    await rules.put("ann", "costly", costly(10))
    await buy(sold("ann", "4"))
    await rules.remove("ann", "costly")
    await rules.remove("bob", "new")
    await buy(sold("ann", "5"))
    await system.startJudge()
    await expectJudged()
    const heard = (await alerts()).flatMap((group) =>
      group.alerts.map(({ owner, ruleVersion }) => [owner, ruleVersion])
    )
    expect(heard).toEqual([
      ["ann", 1],
      ["ann", 1],
      ["bob", 1],
      ["ann", 3],
      ["bob", 1]
    ])
  })

  it("a new judge begins at the first rule, and judges thousands of revisions that were applied before", async () => {
    await system.startWorker()
    await buy(sold("ann", "before the first rules"))
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "all", everyPurchase)
    await rules.put("bob", "often", { who: "all", measure: "count", within: "P1D", is: "equal", threshold: 2 })
    await crowdBuys(2_500)
    const sales = manySold("cy", 30)
    for (const sale of sales) await buy(sale)
    expect(mistakesAfter(await readAccount(system.ask, "cy"), sales)).toEqual([])
    await system.startJudge()
    await expectJudged()
    expect(await alerts()).toHaveLength(2_500 + 30 + 1)
  })

  it("the shards of a judge that stops or dies go to the other judge", async () => {
    await system.startWorker()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "all", everyPurchase)
    const lease = { NATS_URL: system.broker.url, WORKER_HEARTBEAT: "200 millis", WORKER_LEASE: "600 millis" }
    const judges = ["first", "second", "third"].map((name) => {
      const judge = new TestProcess("judge", { ...lease, WORKER_ID: name })
      processes.add(judge)
      return judge
    })
    for (const [index, signal] of (["SIGTERM", "SIGKILL"] as const).entries()) {
      await buy(sold("cy", `${index}`))
      await untilJudged(system.admin)
      const active = (await system.admin.lastRecord(alertsStream, alertPositionSubject(0)))?.headers
      await judges[["first", "second", "third"].findIndex((name) => active?.includes(`Judged-By: ${name}`))]?.kill(
        signal
      )
    }
    await buy(sold("cy", "last"))
    await expectJudged()
  })

  it("a judge stops with a message if the position of its shard is beyond the end of the journal", async () => {
    await system.admin.publish(alertPositionSubject(0), encodeAlertPosition({ through: 1_000, messages: 0 }))
    const { runtime } = await system.startJudge()
    const exit = await runtime.runPromiseExit(
      Effect.scoped(runShard({ judge: "other", shard: 0 }, new ShardProgress(Date.now)))
    )
    expect(Exit.isFailure(exit) && failureOf(exit)?.message).toBe(
      "shard 0 is judged up to 1000, and the journal ends at 0: restore the journal and the alerts from one backup, with the alerts copied first"
    )
    expect(await positionsOf(system.admin)).toHaveLength(1)
  })

  it("a judge stops with a message at rules that it cannot read, and judges no purchase after them", async () => {
    await system.startWorker()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "all", everyPurchase)
    const { runtime, judge } = await system.startJudge()
    await buy(sold("cy", "1"))
    await untilJudged(system.admin)
    const sequence = await system.admin.publish("$KV.journal.rules.bob", '{"v":2}\n')
    await buy(sold("cy", "2"))
    const exit = await runtime.runPromiseExit(
      Effect.scoped(runShard({ judge: "other", shard: 0 }, new ShardProgress(Date.now)))
    )
    expect(Exit.isFailure(exit) && failureOf(exit)?.message).toContain(
      `the set of rules of user bob at sequence ${sequence} of the journal cannot be read (The set of rules has an unknown version.)`
    )
    await until("the lag grows", () => (judge.shards().get(0)?.lagMilliseconds() ?? 0) > 0)
    expect(await alerts()).toHaveLength(1)
  })
})
