import { startedBeforeAll } from "../support/StartedBefore.ts"
import { afterAll, describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

const partitions = 64
/**
 * The sizes of each partition's messages, in bytes. Some messages fit into the partition's share of the worker's bytes,
 * and one message does not. The messages of all partitions exceed the 64 MiB that a broker keeps for one connection
 * before it closes the connection.
 */
const messageBytes = [...Array.from({ length: 10 }, () => 120_000), 480_000]

describe("a slow worker that owns many partitions", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: String(partitions) }))
  let worker: TestProcess | undefined

  afterAll(async () => {
    await worker?.kill()
  })

  const delivered = async () => {
    const consumers = await system.admin.consumers()
    return consumers.reduce((sum, consumer) => sum + consumer.delivered.consumer_seq, 0)
  }

  /** Waits until the broker delivers no further message to a worker that takes nothing. */
  const untilDeliveriesRest = async () => {
    let before = -1
    await until("the broker has delivered what was pulled", async () => {
      const now = await delivered()
      const rests = now > 0 && now === before
      before = now
      return rests
    })
  }

  it("a slow worker keeps its connection when large messages of all its partitions come at once", async () => {
    const started = new TestProcess("worker", { NATS_URL: system.broker.url })
    worker = started
    await until("every partition is pulled", async () => {
      const consumers = await system.admin.consumers()
      return consumers.filter(({ num_waiting }) => num_waiting > 0).length === partitions
    })
    await started.freeze()
    for (const bytes of messageBytes) {
      const payload = JSON.stringify({ version: 1, purchases: "x".repeat(bytes) })
      for (let partition = 0; partition < partitions; partition += 1) {
        await system.admin.publish(`purchases.${partition}.huge`, payload)
      }
    }
    await untilDeliveriesRest()
    started.wake()
    await system.admin.untilApplied()
    const { connections } = await system.broker.monitoring("/connz?state=closed")
    const reasons = connections.map(({ reason }: { readonly reason: string }) => reason)
    expect(reasons.filter((reason: string) => reason.startsWith("Slow Consumer"))).toEqual([])
    expect((await system.broker.monitoring("/varz")).slow_consumers).toBe(0)
    expect(Object.keys(await system.admin.keys("rejected.>"))).toHaveLength(partitions * messageBytes.length)
  })
})
