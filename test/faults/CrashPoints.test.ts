import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mistakesAfter, post, readAccount, receiptOf } from "../support/Shopper.ts"
import { manySold, type Sold, sold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestProcess } from "../support/TestProcess.ts"
import { TestSystem } from "../support/TestSystem.ts"

const steps = ["before-commit", "commit-sent", "committed"]

describe("A worker that kills itself", () => {
  let system: TestSystem
  let worker: TestProcess | undefined

  beforeAll(async () => {
    system = await TestSystem.start()
  })

  afterAll(async () => {
    await worker?.kill()
    await system.stop()
  })

  const startWorker = (environment: Record<string, string> = {}) =>
    new TestProcess("worker", { NATS_URL: system.broker.url, WORKER_ID: "worker", ...environment })

  const lanesFor = (name: string) => Array.from({ length: 6 }, (_, lane) => manySold(`${name}-${lane}`, 30))

  const postLane = async (sales: ReadonlyArray<Sold>) => {
    for (const sale of sales) {
      // Applied, so that each has a commit of its own, unless the worker is gone meanwhile: then after the next has begun.
      const isApplied = async () => (await post(system.ask, sale, { prefer: "wait=20" })).status === 201
      await until("it is applied", isApplied, 120_000)
    }
  }

  /** Stores each user's first purchase three times more, and twice with another content; and something unreadable. */
  const spoil = async (lanes: ReadonlyArray<ReadonlyArray<Sold>>): Promise<ReadonlyArray<string>> => {
    const records: Array<string> = []
    for (const [first] of lanes) {
      if (first === undefined) continue
      const clash = sold(first.userId, first.purchaseId, { valueCents: 7 })
      const [sequence] = await system.publish([first, clash, first, clash, first])
      records.push(`rejected.${sequence}.1`, `rejected.${sequence}.3`)
      const partition = system.partitionOf(first.userId)
      records.push(`rejected.${await system.admin.publish(`purchases.${partition}.x`, "{")}.0`)
    }
    return records.toSorted()
  }

  const expectExact = async (lanes: ReadonlyArray<ReadonlyArray<Sold>>) => {
    for (const sales of lanes) {
      const user = sales[0]?.userId ?? ""
      const account = await readAccount(system.ask, user)
      expect(mistakesAfter(account, sales)).toEqual([])
      expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
      for (const { purchaseId } of sales) {
        const counted = purchaseId === "p1" ? { repeatsDropped: 3, conflictsRejected: 2 } : { repeatsDropped: 0 }
        expect(await receiptOf(system.ask, user, purchaseId)).toMatchObject(counted)
      }
    }
  }

  it.each(steps.map((step) => `${step}:7`))(
    "at %s loses nothing, and nothing counts twice, not even as a repeat",
    async (point) => {
      const lanes = lanesFor(point.replace(":", ""))
      const before = new Set(Object.keys(await system.admin.keys("rejected.>")))
      // The first of each is stored before the spoiled input; the rest comes while the worker dies.
      for (const [first] of lanes) if (first !== undefined) await post(system.ask, first)
      const records = await spoil(lanes)
      const crashing = startWorker({ TEST_CRASH_POINT: point })
      const posting = Promise.all(lanes.map((sales) => postLane(sales.slice(1))))
      expect(await crashing.ended).toEqual({ code: null, signal: "SIGKILL" })
      worker = startWorker()
      await posting
      await system.admin.untilApplied()
      const rejected = Object.keys(await system.admin.keys("rejected.>")).filter((key) => !before.has(key))
      expect(rejected.toSorted()).toEqual(records)
      await expectExact(lanes)
      await worker.kill()
    }
  )

  it("again and again, at each step in turn, loses nothing", async () => {
    const lanes = lanesFor("turns")
    for (const [first] of lanes) if (first !== undefined) await post(system.ask, first)
    await spoil(lanes)
    const posting = Promise.all(lanes.map((sales) => postLane(sales.slice(1))))
    for (const point of [...steps.map((step) => `${step}:1`), ...steps.map((step) => `${step}:2`)]) {
      expect(await startWorker({ TEST_CRASH_POINT: point }).ended).toEqual({ code: null, signal: "SIGKILL" })
    }
    worker = startWorker()
    await posting
    await system.admin.untilApplied()
    await expectExact(lanes)
  })
})
