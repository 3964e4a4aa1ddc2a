import { Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { ActorRegistry } from "../../src/actor/ActorRegistry.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, piecesOf, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

describe("An actor that is passivated and loaded again", () => {
  const system = startedBeforeEach(() => TestSystem.start())

  it("an actor that is loaded again knows the ids of all its segments", async () => {
    const sales = manySold("long", 1_500)
    await system.startWorker({}, { actorIdle: Duration.hours(1) })
    for (const piece of piecesOf(sales, 40)) {
      await system.publish(piece)
      await system.admin.untilApplied()
    }
    // Each revision has 40 ids. Seven revisions reach 256 ids, and the eighth revision begins the segment of these ids.
    const segments = Math.floor((Math.ceil(1_500 / 40) - 1) / Math.ceil(256 / 40))
    expect(await system.admin.keys("segment.>")).toEqual({ [`segment.${system.partitionOf("long")}`]: segments })
    await system.stopWorkers()

    const worker = await system.startWorker({}, { actorIdle: Duration.millis(40) })
    const registry = await worker.runtime.runPromise(Effect.service(ActorRegistry))
    const passivated = () => until("the actor is passivated", () => registry.resident() === 0)
    await system.publish(sales, 250)
    await system.admin.untilApplied()
    await passivated()
    const more = manySold("long", 300, "more")
    await system.publish(more, 1)
    await system.admin.untilApplied()
    await passivated()
    await system.publish([sold("long", "p7", { quantity: 9 })])

    const account = await readAccount(system.ask, "long")
    expect(mistakesAfter(account, [...sales, ...more])).toEqual([])
    expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(
      [...sales, ...more].map(({ purchaseId }) => purchaseId)
    )
    for (const id of ["p1", "p700", "p1500"]) {
      expect(await receiptOf(system.ask, "long", id)).toMatchObject({ repeatsDropped: 1, conflictsRejected: 0 })
    }
    expect(await receiptOf(system.ask, "long", "p7")).toMatchObject({ repeatsDropped: 1, conflictsRejected: 1 })
    expect(await receiptOf(system.ask, "long", "more1")).toMatchObject({ repeatsDropped: 0, conflictsRejected: 0 })
  })

  it("with room for two actors, the purchases of 25 users are each applied once", async () => {
    let most = 0
    let look = () => 0
    const worker = await system.startWorker(
      {
        chain: (real) => ({
          ...real,
          append: (partition, text, after) =>
            Effect.suspend(() => {
              most = Math.max(most, look())
              return real.append(partition, text, after)
            })
        })
      },
      { actorsResidentMax: 2 }
    )
    const registry = await worker.runtime.runPromise(Effect.service(ActorRegistry))
    look = () => registry.resident()
    const users = Array.from({ length: 25 }, (_, index) => `user${index}`)
    const lanes = users.map((user) => manySold(user, 8))
    const postRound = async (round: number) => {
      const sales = lanes.flatMap((lane) => lane[round] ?? [])
      const answers = await Promise.all(sales.map((sale) => post(system.ask, sale)))
      expect(answers.every(({ status }) => status === 202)).toBe(true)
    }
    for (let round = 0; round < 8; round += 1) await postRound(round)
    // Each purchase is stored a second time, after the broker's duplicate window.
    for (const sales of lanes) await system.publish(sales)
    await system.admin.untilApplied(40_000)
    expect(most).toBe(2)
    for (const [index, sales] of lanes.entries()) {
      const user = users[index] ?? ""
      expect(mistakesAfter(await readAccount(system.ask, user), sales)).toEqual([])
      expect(await receiptOf(system.ask, user, "p8")).toMatchObject({ repeatsDropped: 1, conflictsRejected: 0 })
    }
  })
})
