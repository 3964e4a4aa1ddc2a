import { expect, it } from "vitest"
import { groupsOf } from "../../src/harness/alerts/AlertCheck.ts"
import { untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { exactJson } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { alertFilter, alertsStream, journalStream } from "../../src/protocol/Subject.ts"
import { encodeAlertId } from "../../src/rules/Alert.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

/** The number of purchases. The variable PURCHASES sets a larger number. */
const purchases = Number(process.env["PURCHASES"] ?? 4_000)
const users = 40
const timeout = 60_000 + purchases

const system = startedBeforeAll(() => TestSystem.start())

const rules = {
  costly: { who: "all", measure: "value", is: "greater-or-equal", threshold: 17 },
  budget: { who: "all", measure: "spent", within: "P1D", is: "crosses", threshold: 1_700 },
  own: { who: "self", product: "Lamp", measure: "count", is: "greater-or-equal", threshold: 20 }
}

/** Stores half of all purchases, of all users in turn, and waits until these purchases are applied and judged. */
const buyHalf = async (name: string) => {
  const sales = Array.from({ length: purchases / 2 }, (_, index) =>
    sold(`user-${index % users}`, `${name}-${index}`, { valueCents: 1_000 + ((index * 7) % 900) })
  )
  const ofPartitions = Map.groupBy(sales, ({ userId }) => system.partitionOf(userId))
  for (const ofPartition of ofPartitions.values()) await system.publish(ofPartition, 50)
  await system.admin.untilApplied(timeout)
  await untilJudged(system.admin, 0, timeout)
}

/** Returns the ids and purchases of the alerts that a judge stored for a rule, of commits after a sequence. */
const givenBy = async (ruleId: string, after: number) =>
  groupsOf(await system.admin.records(alertsStream, alertFilter))
    .flatMap(({ alerts }) => alerts)
    .filter((alert) => alert.ruleId === ruleId && alert.sequence > after)
    .map((alert) => [encodeAlertId(alert), alert.purchase.purchaseId])

/** Makes requests of a back-test until one has no `next`. Returns the ids and purchases of all found alerts. */
const foundBy = async (ruleId: string, from: string) => {
  const found: Array<readonly [string, string]> = []
  let path: string | undefined = `/users/user-1/rules/${ruleId}/backtest?from=${from}`
  while (path !== undefined) {
    const answer: Response = await system.ask(path, { method: "POST" })
    const lines = (await answer.text()).trimEnd().split("\n").map(exactJson)
    for (const { id, purchase } of lines.slice(1, -1)) found.push([id, purchase.purchaseId])
    path = lines.at(-1).next
  }
  return found
}

it(
  "a back-test of a rule over many purchases finds exactly the alerts of the same rule that was set before them",
  { timeout: 3 * timeout },
  async () => {
    await system.startWorker()
    await system.startJudge()
    const book = new RuleBook(system.admin)
    for (const [ruleId, rule] of Object.entries(rules)) await book.put("user-1", ruleId, rule)
    await buyHalf("first")
    const half = (await system.admin.lastRecord(journalStream, "$KV.journal.*.*"))?.sequence ?? 0
    const middle = Date.now() + 1
    await until("a later time has come", () => Date.now() > middle)
    await buyHalf("second")
    for (const ruleId of Object.keys(rules)) {
      for (const [after, from] of [
        [0, "2020-01-01T00:00:00Z"],
        [half, new Date(middle).toISOString()]
      ] as const) {
        const given = await givenBy(ruleId, after)
        expect(given.length, ruleId).toBeGreaterThan(10)
        expect(await foundBy(ruleId, from), ruleId).toEqual(given)
      }
    }
  }
)
