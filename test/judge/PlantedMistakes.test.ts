import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { mistakesOfJudge, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { post } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import type { JudgeReplacements } from "../../src/harness/system/TestLedger.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

const failed = new BrokerUnavailable({ operation: "store alerts", reason: "planted" })
const everyPurchase = { who: "all", measure: "quantity", is: "greater-or-equal", threshold: 1 }

describe("The check of alerts", () => {
  const system = startedBeforeEach(() => TestSystem.start())

  const buy = async (userId: string, purchaseId: string) =>
    expect((await post(system.ask, sold(userId, purchaseId), { prefer: "wait=20" })).status).toBe(201)

  it("the check finds a lost alert if a judge stores a position first, and fails before its alerts", async () => {
    await system.startWorker()
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    let left = 1
    await system.startJudge({
      alerts: (real) => ({
        ...real,
        commit: (step) => {
          if (step.messages.length === 0 || left === 0) return real.commit(step)
          left -= 1
          return Effect.andThen(real.commit({ ...step, messages: [] }), Effect.fail(failed))
        }
      })
    })
    await buy("cy", "1")
    await untilJudged(system.admin)
    expect(await mistakesOfJudge(system.admin)).toEqual([expect.stringContaining("A1 missing: ")])
  })

  it("the check finds an alert that is stored twice if two judges write positions without a condition", async () => {
    await system.startWorker()
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    const careless: JudgeReplacements = {
      signs: (real) => ({ ...real, give: () => Effect.void }),
      alerts: (real) => ({
        ...real,
        commit: (step) =>
          Effect.flatMap(real.position(step.shard), (stored) =>
            real.commit({ ...step, after: stored?.sequence ?? 0 })
          ).pipe(Effect.retry({ while: ({ _tag }) => _tag === "CommitConflict" }))
      })
    }
    for (const workerId of ["first", "second"]) {
      const { judge } = await system.startJudge(careless, { workerId })
      await until("it has read the rules", () => judge.shards().get(0)?.rules === 1)
    }
    for (let round = 0; round < 10; round += 1) await buy("cy", `${round}`)
    const isDoubled = async () => (await mistakesOfJudge(system.admin)).some((text) => text.startsWith("A1 doubled: "))
    await until("an alert is stored twice", isDoubled)
  })

  it("the check finds wrong alerts if a judge begins with the newest rules instead of the rules at its position", async () => {
    await system.startWorker()
    const rules = new RuleBook(system.admin)
    const costly = (threshold: number) => ({ measure: "value", is: "greater-or-equal", threshold })
    const before = await system.startJudge()
    await rules.put("cy", "costly", costly(10))
    await buy("cy", "1")
    await untilJudged(system.admin)
    await before.stop()
    await buy("cy", "2")
    await rules.put("cy", "costly", costly(20))
    await system.startJudge({
      reader: (real) => ({ ...real, rulesAsOf: (_, take) => real.rulesAsOf(Number.MAX_SAFE_INTEGER, take) })
    })
    await untilJudged(system.admin)
    expect(await mistakesOfJudge(system.admin)).toEqual([expect.stringContaining("A1 missing: ")])
  })

  it("the check finds no mistake if a late batch of a judge arrives after another judge has gone on", async () => {
    await system.startWorker()
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    const late: Array<Effect.Effect<unknown, { readonly _tag: string }>> = []
    const slow = await system.startJudge({
      signs: (real) => ({ ...real, give: () => Effect.void }),
      alerts: (real) => ({
        ...real,
        commit: (step) => {
          if (step.messages.length === 0) return real.commit(step)
          late.push(real.commit(step))
          return Effect.fail(failed)
        }
      })
    })
    await buy("cy", "1")
    await until("the first judge has tried to store an alert", () => late.length > 0)
    await system.startJudge({}, { workerId: "second" })
    await buy("cy", "2")
    await untilJudged(system.admin)
    for (const batch of late) {
      expect(await slow.runtime.runPromise(Effect.flip(batch))).toMatchObject({ _tag: "CommitConflict" })
    }
    expect(await mistakesOfJudge(system.admin)).toEqual([])
  })
})
