import { Effect, Exit } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import { accountKey, ownerKey } from "../../src/domain/Subject.ts"
import type { CommitFailure, Write } from "../../src/nats/LedgerBucket.ts"
import { makeGate } from "../support/Faults.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../support/Shopper.ts"
import { manySold, sold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestSystem, userIn } from "../support/TestSystem.ts"

const unknown = Effect.fail(new OutcomeUnknown({ operation: "commit", reason: "a test lost the reply" }))

describe("A commit whose outcome is unknown", () => {
  let system: TestSystem

  beforeEach(async () => {
    system = await TestSystem.start({ PARTITIONS: "2" })
  })

  afterEach(() => system.stop())

  it("and that was made, is not made again", async () => {
    let commits = 0
    let lost = 0
    await system.startWorker({
      bucket: (real) => ({
        ...real,
        commit: (writes) =>
          Effect.suspend(() => {
            if (!writes.some(({ key }) => key === accountKey("user"))) return real.commit(writes)
            commits += 1
            if (commits % 3 !== 0) return real.commit(writes)
            lost += 1
            return Effect.andThen(real.commit(writes), unknown)
          })
      })
    })
    const sales = manySold("user", 8)
    // One after the other, so that each has a commit of its own.
    for (const sale of sales) expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    expect(lost).toBe(2)
    expect(mistakesAfter(await readAccount(system.ask, "user"), sales)).toEqual([])
    expect(await system.admin.revisions("user")).toBe(8)
    const receipts = await Promise.all(sales.map(({ purchaseId }) => receiptOf(system.ask, "user", purchaseId)))
    expect(receipts.filter(({ repeatsDropped }) => repeatsDropped !== 0)).toEqual([])
  })

  it("and that was not made, is made in the next epoch", async () => {
    let commits = 0
    await system.startWorker({
      bucket: (real) => ({
        ...real,
        commit: (writes) =>
          Effect.suspend(() => {
            commits += 1
            return commits % 3 === 0 ? unknown : real.commit(writes)
          })
      })
    })
    const sales = manySold("user", 8)
    for (const sale of sales) expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    expect(mistakesAfter(await readAccount(system.ask, "user"), sales)).toEqual([])
    expect(await system.admin.revisions("user")).toBe(8)
  })

  it.each([
    ["as soon as the next epoch has begun", "owner"],
    ["after the next epoch has committed the same", "commit"]
  ] as const)("and that comes late, %s, is refused by the guard", async (_when, sendAt) => {
    let late: ReadonlyArray<Write> | undefined
    let refused: Exit.Exit<number, CommitFailure> | undefined
    const user = userIn(0, 2, "late")
    await system.startWorker({
      bucket: (real) => {
        const sendLate = Effect.suspend(() => {
          const writes = late
          late = undefined
          return writes === undefined
            ? Effect.void
            : Effect.map(Effect.exit(real.commit(writes)), (exit) => void (refused = exit))
        })
        return {
          ...real,
          put: (key, value) =>
            Effect.tap(real.put(key, value), () =>
              sendAt === "owner" && key === ownerKey(0) ? sendLate : Effect.void
            ),
          commit: (writes) =>
            Effect.suspend(() => {
              if (refused === undefined && late === undefined && writes.some(({ key }) => key === accountKey(user))) {
                late = writes
                return unknown
              }
              return Effect.tap(real.commit(writes), () => sendLate)
            })
        }
      }
    })
    const sale = sold(user, "one")
    expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    await until("the late batch was answered", () => refused !== undefined)
    expect(refused !== undefined && Exit.findErrorOption(refused)).toMatchObject({ value: { _tag: "CommitConflict" } })
    expect(mistakesAfter(await readAccount(system.ask, user), [sale])).toEqual([])
    expect(await system.admin.revisions(user)).toBe(1)
  })

  it("leaves no actor of another partition without a place", async () => {
    const [first, second] = [userIn(0, 2, "first"), userIn(1, 2, "second")]
    const gate = makeGate()
    let commits = 0
    await system.startWorker(
      {
        bucket: (real) => ({
          ...real,
          commit: (writes) =>
            Effect.suspend(() => {
              commits += 1
              if (commits > 1) return real.commit(writes)
              return real.commit(writes).pipe(Effect.andThen(gate.pass), Effect.andThen(unknown))
            })
        })
      },
      { actorsResidentMax: 1 }
    )
    const sales = [sold(first, "one"), sold(second, "one")]
    for (const sale of sales) await system.publish([sale])
    // There may be a second consumer of the partition, where the broker was slow to answer for the first.
    const isDelivered = async () =>
      (await system.admin.consumers()).some(
        ({ name, delivered }) => name.startsWith("p1-") && delivered.stream_seq === 2
      )
    await until("the second one waits for a place", isDelivered)
    gate.open()
    await system.admin.untilApplied()
    for (const sale of sales) expect(mistakesAfter(await readAccount(system.ask, sale.userId), [sale])).toEqual([])
  })
})
