import { afterEach, describe, expect, it } from "vitest"
import { headsStream } from "../../src/protocol/Subject.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, type Sold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"

const partitions = 4
/**
 * The number of revisions after which heads are written. Most writes of heads are hints, because few users of a
 * partition buy between two writes.
 */
const headsRevisions = 5
const crowdOfPartition = 60
/**
 * The purchases of one user. The purchases of a lane are enough for a segment, and for further purchases after the
 * crash.
 */
const laneLength = 40

/** Each step, and the number of times that a worker reaches it before it dies. */
const points = [
  "before-commit:7",
  "commit-sent:7",
  "committed:7",
  "segment-sent:3",
  "segment-stored:3",
  "hint-sent:4",
  "hint-stored:4",
  "base-sent:2",
  "base-stored:2",
  "manifest-sent:1",
  "manifest-sent:5",
  "manifest-stored:1",
  "manifest-stored:5",
  "heads-purged:2"
]
/**
 * The steps in the order in which one worker after another reaches its step. Steps of a base come first, because later
 * writes are hints.
 */
const turns = [
  "base-sent",
  "base-stored",
  "heads-purged",
  "manifest-sent",
  "manifest-stored",
  "before-commit",
  "commit-sent",
  "committed",
  "hint-sent",
  "hint-stored",
  "segment-sent",
  "segment-stored"
]

describe("A worker that kills itself", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: String(partitions) }))
  const workers = new Set<TestProcess>()

  afterEach(async () => {
    for (const worker of workers) await worker.kill()
    workers.clear()
  })

  const startWorker = (environment: Record<string, string> = {}) => {
    const worker = new TestProcess("worker", {
      NATS_URL: system.broker.url,
      WORKER_ID: "worker",
      TEST_HEADS_REVISIONS: String(headsRevisions),
      ...environment
    })
    workers.add(worker)
    return worker
  }

  /** Runs a worker until it dies at a step. */
  const dieAt = async (point: string) => {
    expect(await startWorker({ TEST_CRASH_POINT: point }).ended, point).toEqual({ code: null, signal: "SIGKILL" })
  }

  const lanesOf = (length: number) => Array.from({ length: 6 }, (_, lane) => manySold(`lane-${lane}`, length))

  /** One purchase of each of many users, by partition. */
  const crowds = Array.from({ length: partitions }, (_, partition) =>
    Array.from({ length: crowdOfPartition }, (_, index) =>
      sold(userIn(partition, partitions, `crowd-${index}`), "p1", { valueCents: 100 + index })
    )
  )

  const postLane = async (sales: ReadonlyArray<Sold>) => {
    for (const sale of sales) {
      // Each purchase is applied before the next purchase is sent, so that each has its own commit. If the worker is
      // dead, purchases are applied after the next worker has begun.
      const isApplied = async () => (await post(system.ask, sale, { prefer: "wait=20" })).status === 201
      await until("it is applied", isApplied, 120_000)
    }
  }

  /**
   * Stores each user's first purchase three times more, and twice with another content. Also stores an unreadable
   * message.
   */
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

  /**
   * Stores the input that comes before the first worker starts: the crowd, and the first purchase of each lane,
   * spoiled.
   */
  const prepare = async (lanes: ReadonlyArray<ReadonlyArray<Sold>>) => {
    for (const crowd of crowds) await system.publish(crowd)
    for (const [first] of lanes) if (first !== undefined) await post(system.ask, first)
    return spoil(lanes)
  }

  /**
   * Expects a user's purchases once each and in order, with a number of repeats beside the repeats of the spoiled
   * purchase.
   */
  const expectAccount = async (sales: ReadonlyArray<Sold>, repeats: number, isSpoiled: boolean) => {
    const user = sales[0]?.userId ?? ""
    const account = await readAccount(system.ask, user)
    expect(mistakesAfter(account, sales)).toEqual([])
    expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
    for (const { purchaseId } of sales) {
      const spoiled = isSpoiled && purchaseId === "p1"
      const counted = { repeatsDropped: repeats + (spoiled ? 3 : 0), conflictsRejected: spoiled ? 2 : 0 }
      expect(await receiptOf(system.ask, user, purchaseId)).toMatchObject(counted)
    }
  }

  const expectExact = async (lanes: ReadonlyArray<ReadonlyArray<Sold>>, repeats: number) => {
    await system.admin.untilApplied()
    await Promise.all(lanes.map((sales) => expectAccount(sales, repeats, true)))
    await Promise.all(crowds.flat().map((sale) => expectAccount([sale], repeats, false)))
  }

  /**
   * Expects the next owner to count purchases that come again as repeats. Expects the owner after the next owner to
   * find the same state.
   */
  const expectKnown = async (lanes: ReadonlyArray<ReadonlyArray<Sold>>) => {
    for (const sales of [...lanes, ...crowds]) await system.publish(sales)
    await expectExact(lanes, 1)
    for (const worker of workers) await worker.kill()
    startWorker()
    await expectExact(lanes, 1)
  }

  it.each(points)(
    "if a worker kills itself at %s, no purchase is lost or doubled, and the next owner goes on",
    async (point) => {
      const lanes = lanesOf(laneLength)
      const records = await prepare(lanes)
      const dying = dieAt(point)
      const posting = Promise.all(lanes.map((sales) => postLane(sales.slice(1))))
      await dying
      startWorker()
      await posting
      await system.admin.untilApplied()
      expect(Object.keys(await system.admin.keys("rejected.>")).toSorted()).toEqual(records)
      await expectKnown(lanes)
    }
  )

  it("no purchase is lost if workers kill themselves one after the other, each at another step of a commit", async () => {
    const lanes = lanesOf(3 * laneLength)
    const records = await prepare(lanes)
    const posting = Promise.all(lanes.map((sales) => postLane(sales.slice(1))))
    for (const step of turns) await dieAt(`${step}:1`)
    startWorker()
    await posting
    await system.admin.untilApplied()
    expect(Object.keys(await system.admin.keys("rejected.>")).toSorted()).toEqual(records)
    await expectKnown(lanes)
  })

  it("a worker that dies between two chunks of a base leaves no base, and nothing is lost", async () => {
    // A chunk of a base has 21,845 entries, and one message has up to 500 purchases.
    const buyers = Array.from({ length: 22_000 }, (_, index) => userIn(0, partitions, `buyer-${index}`))
    const sales = buyers.map((buyer) => sold(buyer, "p1"))
    await system.publish(sales)
    await dieAt("base-stored:1")
    expect((await system.admin.state(headsStream)).messages).toBe(1)
    startWorker({ TEST_HEADS_REVISIONS: "16384" })
    await system.publish(sales)
    await system.admin.untilApplied()
    for (const index of [0, 1, 21_844, 21_845, 21_999]) {
      const buyer = buyers[index] ?? ""
      expect(mistakesAfter(await readAccount(system.ask, buyer), [sold(buyer, "p1")])).toEqual([])
      expect(await receiptOf(system.ask, buyer, "p1")).toMatchObject({ repeatsDropped: 1 })
    }
  })
})
