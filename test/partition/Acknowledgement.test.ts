import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Delivery } from "../../src/nats/Delivery.ts"
import { holdCommits } from "../support/Faults.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { replacedEvents } from "../../src/harness/system/ReplacedEvents.ts"

/** Watches the deliveries of a worker, and the worker's decisions to acknowledge them. */
const watchConsumer = () => {
  const received: Array<Delivery> = []
  const acknowledged: Array<number> = []
  let deliver = (_delivery: Delivery): void => undefined
  const replace: Pick<Replacements, "consumer"> = {
    consumer: (real) => ({
      ...real,
      pull: (partition, epoch, events) => {
        deliver = (delivery) => {
          events.delivered(delivery)
          received.push(delivery)
        }
        const pulled = real.pull(partition, epoch, replacedEvents(events, { delivered: deliver }))
        return Effect.map(pulled, (pull) => ({
          ...pull,
          // The worker decides to acknowledge at the time of this call. Acknowledgements are sent together a while
          // later.
          acknowledge: (delivery) => {
            acknowledged.push(delivery.sequence)
            pull.acknowledge(delivery)
          }
        }))
      }
    })
  }
  /** Delivers a message once more, under the next number of the consumer. */
  const again = (index: number) => {
    const delivery = received[index]
    if (delivery !== undefined) deliver({ ...delivery, deliverySequence: received.length + 1 })
  }
  return { replace, received, acknowledged, again }
}

describe("a worker that acknowledges messages", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))

  const floor = async () => (await system.admin.consumers()).map(({ ack_floor }) => ack_floor.stream_seq)

  it("a worker acknowledges the message of a purchase only when the commit of the purchase is stored", async () => {
    const held = holdCommits()
    const { replace, received, acknowledged } = watchConsumer()
    await system.startWorker({ ...held.replace, ...replace })
    const [first = 0] = await system.publish([sold("ann", "p1")])
    await until("the commit of the purchase is under way", () => held.held.length === 1)
    const [second = 0] = await system.publish([sold("bob", "p2")])
    await until("the second is delivered", () => received.length === 2)
    expect({ acknowledged, floor: await floor() }).toEqual({ acknowledged: [], floor: [0] })
    held.release()
    await until("both are acknowledged", async () => (await floor()).every((reached) => reached === second))
    expect(acknowledged).toEqual([first, second])
    expect(await system.admin.revisions("ann")).toBe(1)
  })

  it("a worker acknowledges the redelivered message of a purchase only if the purchase's commit is stored", async () => {
    const held = holdCommits()
    const { replace, received, acknowledged, again } = watchConsumer()
    await system.startWorker({ ...held.replace, ...replace })
    await system.publish([sold("ann", "p1")])
    await until("the commit of the purchase is under way", () => held.held.length === 1)
    again(0)
    expect({ received: received.length, acknowledged }).toEqual({ received: 2, acknowledged: [] })
    held.release()
    await until("it is acknowledged", () => acknowledged.length > 0)
    again(0)
    expect({ received: received.length, acknowledged }).toEqual({ received: 3, acknowledged: [1, 1] })
    expect(await system.admin.revisions("ann")).toBe(1)
  })
})
