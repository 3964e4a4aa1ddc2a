import { describe, expect, it } from "vitest"
import { groupsOf } from "../../src/harness/alerts/AlertCheck.ts"
import { mistakesOfJudge, positionsOf, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { post } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { alertFilter, alertsStream } from "../../src/protocol/Subject.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

describe("A judge", () => {
  const system = startedBeforeEach(() => TestSystem.start())

  const alerts = async () => groupsOf(await system.admin.records(alertsStream, alertFilter))
  const buy = async (userId: string, purchaseId: string, different = {}) =>
    expect((await post(system.ask, sold(userId, purchaseId, different), { prefer: "wait=20" })).status).toBe(201)

  it("gives exactly one alert for each rule that a purchase meets", async () => {
    await system.startWorker()
    await system.startJudge()
    const rules = new RuleBook(system.admin)
    await rules.put("ann", "lamps", { product: "Lamp", measure: "value", is: "less-or-equal", threshold: 10.5 })
    await rules.put("ann", "budget", { measure: "spent", is: "crosses", threshold: 40 })
    await rules.put("bob", "all", { who: "all", measure: "count", within: "P1D", is: "greater-or-equal", threshold: 2 })
    await buy("ann", "1")
    await buy("cy", "1")
    await buy("ann", "2")
    await buy("ann", "3", { valueCents: 1_051 })
    await untilJudged(system.admin)
    expect((await alerts()).map(({ owner, alerts }) => [owner, alerts.map(({ ruleId }) => ruleId)])).toEqual([
      ["ann", ["lamps"]],
      ["ann", ["lamps", "budget"]],
      ["bob", ["all"]],
      ["bob", ["all"]]
    ])
    expect(await mistakesOfJudge(system.admin)).toEqual([])
    const positions = await positionsOf(system.admin)
    expect(positions).toEqual(positions.toSorted((one, other) => one.through - other.through))
  })
})
