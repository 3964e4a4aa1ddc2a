import { describe, expect, it } from "vitest"
import type { Delivery } from "../../src/nats/Delivery.ts"
import { mistakesInChain } from "../support/ChainOrder.ts"
import { mistakesAfter, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { replacedEvents } from "../../src/harness/system/ReplacedEvents.ts"

describe("A delivery that does not arrive", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))
  const user = "gap"
  const sales = manySold(user, 200)

  /** Drops the first delivery that matches, as a broken network could. */
  const dropOnce = (isDropped: (delivery: Delivery) => boolean) => {
    const dropped: Array<number> = []
    const replace: Replacements = {
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) =>
          real.pull(
            partition,
            epoch,
            replacedEvents(events, {
              delivered: (delivery) => {
                if (dropped.length === 0 && isDropped(delivery)) dropped.push(delivery.sequence)
                else events.delivered(delivery)
              }
            })
          )
      })
    }
    return { replace, dropped }
  }

  const epochs = async () => (await system.admin.epochs(0)).length

  it("a gap in the numbers of deliveries begins a new epoch, and no purchase is lost or reordered", async () => {
    const lossy = dropOnce(({ sequence }) => sequence === 77)
    await system.startWorker(lossy.replace)
    await system.publish(sales, 1)
    await system.admin.untilApplied()
    expect(lossy.dropped).toEqual([77])
    expect(await epochs()).toBe(2)
    const account = await readAccount(system.ask, user)
    expect(mistakesAfter(account, sales)).toEqual([])
    expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
  })

  it("a read that waits for a lost delivery notices the loss even if no later delivery comes", async () => {
    const lossy = dropOnce(({ sequence }) => sequence === 200)
    await system.startWorker(lossy.replace)
    await system.publish(sales, 1)
    const account = await readAccount(system.ask, user)
    expect(lossy.dropped).toEqual([200])
    expect(await epochs()).toBe(2)
    expect(mistakesAfter(account, sales)).toEqual([])
  })

  it("a delivery that arrives twice counts once, and does not move the position back", async () => {
    const first: Array<Delivery> = []
    await system.startWorker({
      consumer: (real) => ({
        ...real,
        // The broker delivers again under the next number of the consumer, so all later numbers are higher by one.
        pull: (partition, epoch, events) => {
          let shift = 0
          const deliver = (delivery: Delivery, deliverySequence: number) =>
            events.delivered({ ...delivery, deliverySequence: deliverySequence + shift })
          return real.pull(
            partition,
            epoch,
            replacedEvents(events, {
              delivered: (delivery) => {
                if (first.length < 10) first.push(delivery)
                deliver(delivery, delivery.deliverySequence)
                if (delivery.sequence % 20 !== 0) return
                for (const again of [delivery, first[delivery.sequence / 20 - 1] ?? delivery]) {
                  shift += 1
                  deliver(again, delivery.deliverySequence)
                }
              }
            })
          )
        }
      })
    })
    for (const sale of sales) await system.publish([sale])
    await system.admin.untilApplied()
    expect(mistakesAfter(await readAccount(system.ask, user), sales)).toEqual([])
    expect(await epochs()).toBe(1)
    expect(mistakesInChain(await system.admin.commits(0))).toEqual([])
    expect(await system.admin.position(0)).toBe(200)
  })
})
