import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import { runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { makeGate } from "../support/Faults.ts"
import { mistakesAfter, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

describe("Input that a new epoch reads again", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))

  it("a new epoch does not apply, count or reject purchases again that the old epoch decided", async () => {
    await system.startWorker()
    const before = sold("slow", "before")
    await system.publish([before])
    await system.admin.untilApplied()
    const slowRevision = (await system.admin.commits(0)).at(-1)?.sequence
    await system.stopWorkers()
    // The first message belongs to a user whose account cannot be read now, so the position stays before it.
    const gate = makeGate()
    let loads = 0
    await system.startWorker({
      chain: (real) => ({
        ...real,
        at: (sequence) =>
          Effect.suspend(() => {
            if (sequence !== slowRevision) return real.at(sequence)
            loads += 1
            if (loads > 1) return real.at(sequence)
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
    await until("what follows is applied", async () => (await system.admin.account("fast")).at(-1)?.count === 2)
    await until(
      "what is unreadable is recorded",
      async () => `rejected.${unreadable}.0` in (await system.admin.keys("rejected.>"))
    )
    expect(await system.admin.position(0)).toBe(1)
    const revisions = await system.admin.revisions("fast")

    gate.open()
    await until("all is applied", async () => (await system.admin.position(0)) === 5)
    expect(await system.admin.epochs(0)).toHaveLength(3)
    expect(mistakesAfter(await readAccount(system.ask, "slow"), [before, slow])).toEqual([])
    expect(mistakesAfter(await readAccount(system.ask, "fast"), [fast, more])).toEqual([])
    expect(await system.admin.revisions("fast")).toBe(revisions)
    expect(await receiptOf(system.ask, "fast", "one")).toMatchObject({ repeatsDropped: 1, conflictsRejected: 1 })
    expect(await receiptOf(system.ask, "fast", "two")).toMatchObject({ repeatsDropped: 0, conflictsRejected: 0 })
    // Each record is written once, however often the decision is repeated.
    expect(await system.admin.keys("rejected.>")).toEqual({ "rejected.3.2": 1, [`rejected.${unreadable}.0`]: 1 })
  })

  it("a new epoch reads input from the position in the commit before its own take-over record", async () => {
    await system.startWorker()
    const first = manySold("user", 10)
    await system.publish(first, 1)
    await system.admin.untilApplied()
    const more = manySold("user", 10, "more")
    let attempts = 0
    const lastWords = Effect.promise(async () => {
      await system.publish(more, 1)
      await system.admin.untilApplied()
    })
    const starts: Array<number> = []
    // No partition is assigned to this worker. The test makes the worker take a partition over.
    const next = await system.startWorker(
      {
        chain: (real) => ({
          ...real,
          append: (partition, text, after) =>
            Effect.suspend(() => {
              attempts += 1
              const appended = real.append(partition, text, after)
              return attempts === 1 ? Effect.andThen(lastWords, appended) : appended
            })
        }),
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
    // The first take-over record expected a commit that was no longer the newest.
    expect(attempts).toBe(2)
    expect(mistakesAfter(await readAccount(system.ask, "user"), [...first, ...more])).toEqual([])
  })
})
