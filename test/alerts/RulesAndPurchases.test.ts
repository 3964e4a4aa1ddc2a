import { expect, it } from "vitest"
import { mistakesOfJudge, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { askApp, post } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { startEdge } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { alertFilter, alertsStream } from "../../src/protocol/Subject.ts"
import { decodeAlerts } from "../../src/rules/Alert.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

const system = startedBeforeAll(() => TestSystem.start())
const rounds = 100
const headers = { "content-type": "application/json" }
const body = JSON.stringify({ measure: "value", is: "greater-or-equal", threshold: 0.01 })

it("a purchase over another edge gives an alert after the answer to a rule's PUT, and none after its DELETE", async () => {
  await system.startWorker()
  await system.startJudge()
  const other = await startEdge(system.settings)
  const askOther = askApp(other.app)
  const expected: Array<string> = []
  for (let round = 0; round < rounds; round += 1) {
    const path = "/users/ann/rules/r"
    // The edges change their roles, so that each edge sets rules and each edge takes purchases.
    const [first, second] = round % 2 === 0 ? [system.ask, askOther] : [askOther, system.ask]
    expect((await first(path, { method: "PUT", headers, body })).status).toBe(201)
    expect((await post(second, sold("ann", `with-${round}`))).status).toBe(202)
    // The next change of rules must come after the commit of the purchase, because the order of the ledger decides.
    expect((await second("/users/ann/total")).status).toBe(200)
    expect((await first(path, { method: "DELETE" })).status).toBe(204)
    expect((await post(second, sold("ann", `without-${round}`))).status).toBe(202)
    expect((await second("/users/ann/total")).status).toBe(200)
    expected.push(`with-${round}`)
  }
  await untilJudged(system.admin)
  const records = await system.admin.records(alertsStream, alertFilter)
  expect(records.flatMap(({ text }) => decodeAlerts(text)).map(({ purchase }) => purchase.purchaseId)).toEqual(expected)
  expect(await mistakesOfJudge(system.admin)).toEqual([])
  await other.stop()
})
