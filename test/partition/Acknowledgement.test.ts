import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { holdCommits } from "../support/Faults.ts"
import { sold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestSystem } from "../support/TestSystem.ts"

describe("a worker", () => {
  let system: TestSystem

  beforeAll(async () => {
    system = await TestSystem.start({ PARTITIONS: "1" })
  })

  afterAll(() => system.stop())

  it("acknowledges a purchase to the broker only when its commit is stored", async () => {
    const held = holdCommits()
    const received: Array<number> = []
    const acknowledged: Array<number> = []
    await system.startWorker({
      ...held.replace,
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) =>
          real
            .pull(partition, epoch, {
              ...events,
              delivered: (delivery) => {
                events.delivered(delivery)
                received.push(delivery.sequence)
              }
            })
            .pipe(
              Effect.map((pull) => ({
                ...pull,
                // Acknowledgements leave together a while later; this is when the worker decides on one.
                acknowledge: (delivery) => {
                  acknowledged.push(delivery.sequence)
                  pull.acknowledge(delivery)
                }
              }))
            )
      })
    })
    const floor = async () => (await system.admin.consumers()).map(({ ack_floor }) => ack_floor.stream_seq)
    const [first = 0] = await system.publish([sold("ann", "p1")])
    await until("the commit of the purchase is under way", () => held.held.length === 1)
    const [second = 0] = await system.publish([sold("bob", "p2")])
    await until("the second is delivered", () => received.length === 2)
    expect([acknowledged, await floor()]).toEqual([[], [0]])
    held.release()
    await until("both are acknowledged", async () => (await floor()).every((reached) => reached === second))
    expect([received, acknowledged]).toEqual([
      [first, second],
      [first, second]
    ])
    expect(await system.admin.revisions("ann")).toBe(1)
  })
})
