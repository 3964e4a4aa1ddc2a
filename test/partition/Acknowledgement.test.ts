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
    await system.startWorker(held.replace)
    const [sequence = 0] = await system.publish([sold("ann", "p1")])
    const floor = async () => (await system.admin.consumers()).map(({ ack_floor }) => ack_floor.stream_seq)
    const unacknowledged = async () => (await system.admin.consumers()).map(({ num_ack_pending }) => num_ack_pending)
    await until("the commit of the purchase is under way", () => held.held.length === 1)
    // An acknowledgement that was sent too early would come before what is stored after this.
    await system.publish([sold("bob", "p2")])
    await until("the second is delivered", async () => (await unacknowledged()).includes(2))
    expect(await floor()).toEqual([0])
    held.release()
    await until("both are acknowledged", async () => (await floor()).every((reached) => reached > sequence))
    expect(await system.admin.revisions("ann")).toBe(1)
  })
})
