import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../src/domain/BrokerError.ts"
import { accountKey, ownerKey } from "../../src/domain/Subject.ts"
import { runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { makeGate } from "../support/Faults.ts"
import { mistakesAfter, readAccount, receiptOf } from "../support/Shopper.ts"
import { manySold, sold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestSystem } from "../support/TestSystem.ts"

describe("Input that a new epoch reads again", () => {
  let system: TestSystem

  beforeEach(async () => {
    system = await TestSystem.start({ PARTITIONS: "1" })
  })

  afterEach(() => system.stop())

  it("was applied in part: what was is neither applied again nor counted as a repeat, nor rejected again", async () => {
    // The first message belongs to a user whose account cannot be read for now, so the position stays before it.
    const gate = makeGate()
    let loads = 0
    await system.startWorker({
      bucket: (real) => ({
        ...real,
        latestTold: (key) =>
          Effect.suspend(() => {
            if (key !== accountKey("slow")) return real.latestTold(key)
            loads += 1
            if (loads > 1) return real.latestTold(key)
            const unavailable = new BrokerUnavailable({ operation: "read", reason: "a test broke it" })
            return Effect.andThen(gate.pass, Effect.fail(unavailable))
          })
      })
    })
    const slow = sold("slow", "one")
    const fast = sold("fast", "one")
    await system.publish([slow])
    await system.publish([fast, fast, sold("fast", "one", { quantity: 7 })])
    const unreadable = await system.admin.publish("purchases.0.x", "{")
    const more = sold("fast", "two")
    await system.publish([more])
    await until("what follows is applied", async () => (await system.admin.value(accountKey("fast")))?.count === 2)
    await until(
      "what is unreadable is recorded",
      async () => `rejected.${unreadable}.0` in (await system.admin.keys("rejected.>"))
    )
    expect(await system.admin.position(0)).toBe(0)
    const revisions = await system.admin.revisions("fast")

    gate.open()
    await until("all is applied", async () => (await system.admin.position(0)) === 4)
    expect(await system.admin.keys("owner.>")).toEqual({ [ownerKey(0)]: 2 })
    expect(mistakesAfter(await readAccount(system.ask, "slow"), [slow])).toEqual([])
    expect(mistakesAfter(await readAccount(system.ask, "fast"), [fast, more])).toEqual([])
    expect(await system.admin.revisions("fast")).toBe(revisions)
    expect(await receiptOf(system.ask, "fast", "one")).toMatchObject({ repeatsDropped: 1, conflictsRejected: 1 })
    expect(await receiptOf(system.ask, "fast", "two")).toMatchObject({ repeatsDropped: 0, conflictsRejected: 0 })
    // The unreadable one is written again under its own key, the same; conflicts are not.
    expect(Object.keys(await system.admin.keys("rejected.>")).toSorted()).toEqual([
      "rejected.2.2",
      `rejected.${unreadable}.0`
    ])
    expect((await system.admin.history("rejected.2.2")).length).toBe(1)
  })

  it("begins behind the position as it is when the epoch has begun", async () => {
    await system.startWorker()
    const first = manySold("user", 10)
    await system.publish(first, 1)
    await system.admin.untilApplied()
    const more = manySold("user", 10, "more")
    const lastWords = Effect.promise(async () => {
      await system.publish(more, 1)
      await system.admin.untilApplied()
    })
    const starts: Array<number> = []
    // No partition is assigned to this one; the test has it take one over.
    const next = await system.startWorker(
      {
        bucket: (real) => ({ ...real, put: (key, value) => Effect.andThen(lastWords, real.put(key, value)) }),
        consumer: (real) => ({
          ...real,
          create: (partition, epoch, from, max) => {
            starts.push(from)
            return real.create(partition, epoch, from, max)
          }
        })
      },
      { workerId: "next" }
    )
    const identity = { worker: "next", partition: 0, partitions: 1 }
    await next.runtime.runPromise(Effect.scoped(runPartitionEpoch(identity)))
    expect(starts).toEqual([21])
    expect(mistakesAfter(await readAccount(system.ask, "user"), [...first, ...more])).toEqual([])
  })
})
