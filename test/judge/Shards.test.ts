import { afterEach, describe, expect, it } from "vitest"
import { groupsOf } from "../../src/harness/alerts/AlertCheck.ts"
import { mistakesOfJudge, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { alertFilter, alertPositionSubject, alertsStream } from "../../src/protocol/Subject.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

const shards = [0, 1, 2]

describe("Judges of three shards", () => {
  const system = startedBeforeEach(() => TestSystem.start({ JUDGE_SHARDS: String(shards.length) }))
  const processes = new Map<string, TestProcess>()

  afterEach(async () => {
    for (const process of processes.values()) await process.kill()
    processes.clear()
  })

  const startJudge = (name: string) =>
    processes.set(
      name,
      new TestProcess("judge", {
        NATS_URL: system.broker.url,
        WORKER_ID: name,
        WORKER_HEARTBEAT: "200 millis",
        WORKER_LEASE: "600 millis"
      })
    )

  /** Returns the names of the judges that stored the newest positions of the shards. */
  const judgesOfShards = async () => {
    const records = await Promise.all(
      shards.map((shard) => system.admin.lastRecord(alertsStream, alertPositionSubject(shard)))
    )
    return records.map((record) => /Judged-By: *(\S+)/.exec(record?.headers ?? "")?.[1])
  }

  const crowdBuys = async (users: number, name: string) => {
    const sales = Array.from({ length: users }, (_, index) => sold(`${name}-${index}`, "1"))
    const ofPartitions = Map.groupBy(sales, ({ userId }) => system.partitionOf(userId))
    for (const ofPartition of ofPartitions.values()) await system.publish(ofPartition)
    await system.admin.untilApplied()
  }

  const expectJudged = async (alerts: number) => {
    for (const shard of shards) await untilJudged(system.admin, shard)
    expect(await mistakesOfJudge(system.admin, shards.length)).toEqual([])
    expect(groupsOf(await system.admin.records(alertsStream, alertFilter))).toHaveLength(alerts)
  }

  it("two judges share three shards, and after one dies the other judges all shards, each purchase once", async () => {
    await system.startWorker()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "all", { who: "all", measure: "quantity", is: "greater-or-equal", threshold: 1 })
    await rules.put("bob", "two", { who: "all", measure: "count", within: "P1D", is: "equal", threshold: 2 })
    startJudge("first")
    startJudge("second")
    let crowds = 0
    await until("both judges judge a shard", async () => {
      crowds += 1
      await crowdBuys(30, `crowd-${crowds}`)
      return new Set(await judgesOfShards()).isSupersetOf(new Set(["first", "second"]))
    })
    await expectJudged(30 * crowds)
    await processes.get("first")?.kill()
    await crowdBuys(30, "last")
    await expectJudged(30 * (crowds + 1))
    await until("the second judge judges all shards", async () =>
      (await judgesOfShards()).every((judge) => judge === "second")
    )
  })
})
