import { Duration, Effect, Exit, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { inputStream } from "../../src/protocol/Subject.ts"
import type { Delivery } from "../../src/nats/Delivery.ts"
import type { PullEvents } from "../../src/nats/PullSession.ts"
import { cleanOnce } from "../../src/partition/Janitor.ts"
import { runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { makeGate } from "../support/Faults.ts"
import { mistakesAfter, post, read, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { replacedEvents } from "../../src/harness/system/ReplacedEvents.ts"

/** Filters the deliveries that a worker gets. */
const listening = (events: (real: PullEvents) => Partial<PullEvents>): Replacements => ({
  consumer: (real) => ({
    ...real,
    pull: (partition, epoch, told) => real.pull(partition, epoch, replacedEvents(told, events(told)))
  })
})

describe("A read", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))
  const user = "user"

  it("a read waits for purchases that were acknowledged before the read and are not delivered yet", async () => {
    const late: Array<() => void> = []
    let isLate = true
    await system.startWorker(
      listening((told) => ({
        delivered: (delivery: Delivery) => {
          if (isLate) late.push(() => told.delivered(delivery))
          else told.delivered(delivery)
        }
      }))
    )
    const sale = sold(user, "one")
    expect((await post(system.ask, sale)).status).toBe(202)
    await until("it is delivered", () => late.length === 1)
    let isAnswered = false
    const strong = read(system.ask, `/users/${user}/total`).finally(() => (isAnswered = true))
    // The later reads are answered, which shows that the owner has received the first read.
    for (let asked = 0; asked < 20; asked += 1) {
      expect((await read(system.ask, `/users/${user}/total?consistency=eventual`)).purchaseCount).toBe(0)
    }
    expect(isAnswered).toBe(false)
    isLate = false
    for (const deliver of late) deliver()
    expect(await strong).toMatchObject({ purchaseCount: 1, total: 2_100n })
  })

  it("a read includes input that was applied and purged while the read was going on", async () => {
    const late: Array<() => void> = []
    let isLate = false
    let held = 0
    const gate = makeGate()
    const worker = await system.startWorker({
      ...listening((told) => ({
        delivered: (delivery: Delivery) =>
          isLate ? late.push(() => told.delivered(delivery)) : told.delivered(delivery)
      })),
      input: (real) => ({
        ...real,
        newestAfter: (partition, sequence) => {
          const asked = real.newestAfter(partition, sequence)
          if (!isLate) return asked
          held += 1
          return Effect.andThen(gate.pass, asked)
        }
      })
    })
    const first = manySold(user, 3)
    await system.publish(first)
    expect(mistakesAfter(await readAccount(system.ask, user), first)).toEqual([])
    isLate = true
    const more = manySold(user, 2, "more")
    await system.publish(more)
    await until("it is delivered", () => late.length === 1)
    const strong = read(system.ask, `/users/${user}/total`)
    await until("the look is over, and the log is asked", () => held === 1)
    isLate = false
    for (const deliver of late) deliver()
    await system.admin.untilApplied()
    await worker.runtime.runPromise(cleanOnce({ every: Duration.millis(1), retention: Duration.zero }))
    expect((await system.admin.state(inputStream)).messages).toBe(0)
    gate.open()
    expect(await strong).toMatchObject({ purchaseCount: 5 })
  })

  it("an old owner answers no read, even if the janitor has purged all messages that the owner missed", async () => {
    let isDeaf = false
    await system.startWorker(
      // A deaf worker hears neither deliveries nor that the next owner has deleted its consumer.
      listening((told) => ({
        delivered: (delivery) => isDeaf || told.delivered(delivery),
        ended: () => isDeaf || told.ended(),
        oversized: () => isDeaf || told.oversized(),
        lost: (reason) => isDeaf || told.lost(reason)
      }))
    )
    const first = manySold(user, 10)
    await system.publish(first)
    expect(mistakesAfter(await readAccount(system.ask, user), first)).toEqual([])
    // The old owner has nothing to write, so no refused write can show the old owner that it is not the owner any more.
    await system.admin.untilApplied()
    isDeaf = true

    // No partition is assigned to this worker. The test makes the worker take a partition over, and the old owner does
    // not hear of that.
    const next = await system.startWorker({}, { workerId: "next" })
    const scope = Effect.runSync(Scope.make())
    const identity = { worker: "next", partition: 0, partitions: 1 }
    await next.runtime.runPromise(Scope.provide(runPartitionEpoch(identity), scope))
    const more = manySold(user, 10, "more")
    await system.publish(more)
    await system.admin.untilApplied()
    await next.runtime.runPromise(cleanOnce({ every: Duration.millis(1), retention: Duration.zero }))
    expect((await system.admin.state(inputStream)).messages).toBe(0)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    // The old owner has not taken the partition over again.
    expect(await system.admin.epochs(0)).toHaveLength(2)

    isDeaf = false
    expect(mistakesAfter(await readAccount(system.ask, user), [...first, ...more])).toEqual([])
  })
})
