import { Effect, Option } from "effect"
import { describe, expect, it } from "vitest"
import { headsStream, headsSubject } from "../../src/protocol/Subject.ts"
import { makeGate } from "../support/Faults.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

const crowd = Array.from({ length: 12 }, (_, index) => sold(`buyer-${index}`, "p1"))
const sale = sold("user", "p1")

describe("A worker that ends after it wrote heads", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))

  it("the next owner reads the commits that were stored while the former owner wrote its last manifest", async () => {
    const gate = makeGate()
    let isStoring = false
    const first = await system.startWorker(
      {
        heads: (real) => ({
          ...real,
          store: (partition, name, chunk) =>
            Effect.suspend(() => {
              isStoring = true
              return Effect.andThen(gate.pass, real.store(partition, name, chunk))
            })
        })
      },
      { testHeadsRevisions: Option.some(crowd.length) }
    )
    await system.publish(crowd)
    await until("the base is under way", () => isStoring)
    expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    gate.open()
    const manifest = () =>
      system.admin.api(`STREAM.MSG.GET.${headsStream}`, { last_by_subj: headsSubject(0, "manifest") })
    await until("its manifest is there", async () => (await manifest()) !== undefined)
    await first.stop()

    await system.startWorker()
    await system.publish([...crowd, sale])
    await system.admin.untilApplied()
    for (const one of [...crowd, sale]) {
      expect(mistakesAfter(await readAccount(system.ask, one.userId), [one])).toEqual([])
      expect(await receiptOf(system.ask, one.userId, "p1")).toMatchObject({ repeatsDropped: 1 })
    }
  })
})
