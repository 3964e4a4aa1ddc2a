import { Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { inputStream, journalStream } from "../../src/protocol/Subject.ts"
import { cleanOnce } from "../../src/partition/Janitor.ts"
import { isCommit, makeGate } from "../support/Faults.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { TestWorker } from "../../src/harness/system/TestLedger.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"
import { replacedEvents } from "../../src/harness/system/ReplacedEvents.ts"

const [fast, slow] = [userIn(0, 2, "fast"), userIn(1, 2, "slow")]
const ofFast = manySold(fast, 300)
const ofSlow = manySold(slow, 300)

describe("The janitor", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "2" }))

  const clean = (worker: TestWorker, retention = Duration.zero) =>
    worker.runtime.runPromise(cleanOnce({ every: Duration.millis(1), retention }))

  const publishBoth = async () => {
    for (let index = 0; index < ofFast.length; index += 100) {
      await system.publish(ofFast.slice(index, index + 100), 1)
      await system.publish(ofSlow.slice(index, index + 100), 1)
    }
  }

  it("the janitor purges the messages that are applied in every partition, and never more", async () => {
    const gate = makeGate()
    let isShut = false
    const worker = await system.startWorker({
      chain: (real) => ({
        ...real,
        // From the first commit of the slow partition on, no commit of any partition is stored.
        append: (partition, text, after) =>
          Effect.suspend(() => {
            isShut ||= partition === 1 && isCommit(text)
            const appended = real.append(partition, text, after)
            return isShut ? Effect.andThen(gate.pass, appended) : appended
          })
      })
    })
    await system.publish(ofFast, 1)
    await system.admin.untilApplied()
    await publishBoth()
    await until("a commit is held back", () => isShut)
    const applied = await system.admin.position(0)
    expect(await system.admin.position(1)).toBe(0)

    // No input of the slow partition is applied, so nothing may be removed. The position of the slow partition is below
    // the first message of the log.
    await clean(worker)
    expect((await system.admin.state(inputStream)).first_seq).toBe(1)
    expect(applied).toBeGreaterThanOrEqual(300)

    gate.open()
    await system.admin.untilApplied()
    await clean(worker)
    const after = await system.admin.state(inputStream)
    expect({ messages: after.messages, lastSequence: after.last_seq }).toEqual({ messages: 0, lastSequence: 900 })
    expect(mistakesAfter(await readAccount(system.ask, fast), ofFast)).toEqual([])
    expect(mistakesAfter(await readAccount(system.ask, slow), ofSlow)).toEqual([])
  })

  it("the janitor keeps the input that a partition has not applied while other partitions go on", async () => {
    await system.publish(ofFast, 1)
    await system.publish(ofSlow, 1)
    await system.publish(manySold(fast, 10, "later"), 1)
    const first = await system.startWorker()
    await system.admin.untilApplied()
    await system.stopWorkers()
    await system.publish(manySold(slow, 10, "later"), 1)
    expect(first.worker.owned()).toEqual([])

    // The worker `idle` gets no newer input. Its janitor sees that the slow partition is behind.
    const idle = await system.startWorker({
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) =>
          real.pull(partition, epoch, replacedEvents(events, { delivered: () => undefined }))
      })
    })
    await clean(idle)
    // The slow partition is applied up to 600. The fast partition has applied all of its input, and does not hold the
    // purge back.
    expect((await system.admin.state(inputStream)).first_seq).toBe(601)
    await system.stopWorkers()
    await system.startWorker()
    await system.admin.untilApplied()
    const sales = [...ofSlow, ...manySold(slow, 10, "later")]
    expect(mistakesAfter(await readAccount(system.ask, slow), sales)).toEqual([])
  })

  it("the janitor keeps input that is younger than the retention, and removes nothing from the journal", async () => {
    const worker = await system.startWorker()
    await publishBoth()
    await system.admin.untilApplied()
    await clean(worker, Duration.hours(1))
    expect((await system.admin.state(inputStream)).messages).toBe(600)
    const { messages, first_seq, last_seq } = await system.admin.state(journalStream)
    await clean(worker)
    expect((await system.admin.state(inputStream)).messages).toBe(0)
    expect(await system.admin.state(journalStream)).toMatchObject({ messages, first_seq, last_seq })
    expect({ first: first_seq, last: last_seq }).toEqual({ first: 1, last: messages })
  })

  it("a worker that starts after a purge knows repeats, and applies new purchases", async () => {
    const worker = await system.startWorker()
    await publishBoth()
    await system.admin.untilApplied()
    await clean(worker)
    await system.stopWorkers()
    await system.startWorker()
    await publishBoth()
    const more = sold(fast, "more")
    expect((await post(system.ask, more, { prefer: "wait=20" })).status).toBe(201)
    expect(mistakesAfter(await readAccount(system.ask, fast), [...ofFast, more])).toEqual([])
    expect(mistakesAfter(await readAccount(system.ask, slow), ofSlow)).toEqual([])
    expect((await receiptOf(system.ask, slow, "p300")).repeatsDropped).toBe(1)
  })
})
