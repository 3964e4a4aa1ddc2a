import { Duration } from "effect"
import { describe, expect, it } from "vitest"
import { mistakesInChain } from "../support/ChainOrder.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, type Sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

describe("Two workers", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "8" }))

  const users = Array.from({ length: 12 }, (_, index) => `user${index}`)
  const lanes = users.map((user) => manySold(user, 80))

  const postLane = async (sales: ReadonlyArray<Sold>) => {
    for (const sale of sales) {
      await until("the purchase is stored", async () => (await post(system.ask, sale)).status === 202)
    }
  }

  const expectExact = async () => {
    for (let partition = 0; partition < 8; partition += 1) {
      expect(mistakesInChain(await system.admin.commits(partition))).toEqual([])
    }
    for (const sales of lanes) {
      const user = sales[0]?.userId ?? ""
      const account = await readAccount(system.ask, user)
      expect(mistakesAfter(account, sales)).toEqual([])
      expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
      const receipts = await Promise.all(sales.map(({ purchaseId }) => receiptOf(system.ask, user, purchaseId)))
      expect(receipts.filter(({ repeatsDropped, conflictsRejected }) => repeatsDropped + conflictsRejected)).toEqual([])
    }
  }

  it("two workers that take all partitions from each other apply each purchase once and in order", async () => {
    // Each worker counts the other worker as gone at once, and so claims all partitions.
    const alone = { workerLease: Duration.millis(1), workerHeartbeat: Duration.millis(40) }
    await system.startWorker({}, { ...alone, workerId: "one" })
    await system.startWorker({}, { ...alone, workerId: "two" })
    await Promise.all(lanes.map(postLane))
    await until("each partition was taken over and over", async () => {
      const epochs = await Promise.all(Array.from({ length: 8 }, (_, partition) => system.admin.epochs(partition)))
      return epochs.every(({ length }) => length > 2)
    })
    await system.stopWorkers()
    await system.startWorker()
    await expectExact()
  })

  it("workers that share the partitions hand partitions over when another worker starts or stops", async () => {
    // With these names each of the two workers is assigned four partitions. No lease ends in this test, because a
    // worker that leaves says so.
    const forEver = { workerLease: Duration.hours(1) }
    const one = await system.startWorker({}, { ...forEver, workerId: "worker-1" })
    await until("the first has all", () => one.worker.owned().length === 8)
    const posted = Promise.all(lanes.map(postLane))
    const two = await system.startWorker({}, { ...forEver, workerId: "worker-2" })
    await until("they share", () => one.worker.owned().length === 4 && two.worker.owned().length === 4)
    await one.runtime.runPromise(one.worker.drain)
    await one.stop()
    await until("the second has all", () => two.worker.owned().length === 8)
    await posted
    await expectExact()
  })
})
