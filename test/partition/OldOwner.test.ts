import { Duration } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { inputStream } from "../../src/domain/Subject.ts"
import { cleanOnce } from "../../src/partition/Janitor.ts"
import { mistakesAfter, readAccount } from "../support/Shopper.ts"
import { manySold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestSystem } from "../support/TestSystem.ts"

describe("An owner that does not know that it is none any more", () => {
  let system: TestSystem
  const user = "user"
  // Counts every other worker as gone, and so keeps its partitions.
  const alone = { workerLease: Duration.millis(1) }

  beforeEach(async () => {
    system = await TestSystem.start({ PARTITIONS: "1" })
  })

  afterEach(() => system.stop())

  it("answers nothing that is old, when the janitor has purged what it missed", async () => {
    let isDeaf = false
    await system.startWorker(
      {
        consumer: (real) => ({
          ...real,
          // It hears nothing of its consumer: neither deliveries nor that the new owner has deleted it.
          pull: (partition, epoch, events) =>
            real.pull(partition, epoch, {
              delivered: (delivery) => isDeaf || events.delivered(delivery),
              ended: () => isDeaf || events.ended(),
              lost: (reason) => isDeaf || events.lost(reason)
            })
        })
      },
      { ...alone, workerId: "old" }
    )
    const first = manySold(user, 10)
    await system.publish(first)
    expect(mistakesAfter(await readAccount(system.ask, user), first)).toEqual([])
    isDeaf = true

    const owner = await system.startWorker({}, { ...alone, workerId: "new" })
    await until("the new one owns it", () => owner.worker.owned().length === 1)
    const more = manySold(user, 10, "more")
    await system.publish(more)
    await system.admin.untilApplied()
    await owner.runtime.runPromise(cleanOnce({ everyMilliseconds: 1, retentionMilliseconds: 0 }))
    expect((await system.admin.state(inputStream)).messages).toBe(0)
    await owner.stop()

    isDeaf = false
    expect(mistakesAfter(await readAccount(system.ask, user), [...first, ...more])).toEqual([])
  })
})
