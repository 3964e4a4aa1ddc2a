import { PurchaseClient } from "../../../src/client/PurchaseClient.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import type { Case } from "../Case.ts"
import { bytesPerMebibyte, processMemory } from "../ProcessMemory.ts"
import { storeRules, untilJudged } from "../RulesOfWorkload.ts"
import { userAt } from "../Workload.ts"

const owners = 10_000
const rules = 1_000_000
/** The user whose rule every purchase of this value meets. A purchase of this value meets no other rule. */
const owner = userAt(0)
const value = "5.00"

/** Measures the start of a judge on a ledger with a million rules, and a change of one rule. */
export const rulesStart: Case = {
  name: "rules-start",
  about: `the start of a judge with ${rules.toLocaleString("en")} rules of ${owners.toLocaleString("en")} users, its memory, and a change of one rule`,
  isLong: true,
  run: async ({ startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    progress.show("storing rules")
    await storeRules(system.broker.url, owners, rules)
    const client = new PurchaseClient({ url: system.edgeUrl })
    const buy = (purchaseId: string) =>
      client.post(
        { purchaseId, userId: owner, productName: "Pen", productType: "Office", value, quantity: 1 },
        { waitSeconds: 10 }
      )
    await buy("before")
    progress.show("starting the judge")
    const began = performance.now()
    const judge = system.startJudge()
    await untilJudged(system.broker.url)
    const started = (performance.now() - began) / 1_000
    const { resident } = processMemory(judge.pid)
    await client.putRule(owner, "rule-0", { measure: "value", is: "equal", threshold: value })
    const changed = performance.now()
    await buy("after")
    const alertsOf = async () => (await client.alertsPage(owner)).alerts.map(({ purchase }) => purchase.purchaseId)
    await until("the purchase after the change has its alert", async () => (await alertsOf()).length > 0)
    const visible = performance.now() - changed
    const found = await alertsOf()
    await system.stop()
    return {
      measurements: [
        { name: "rules-start", unit: "s", value: started },
        { name: "rules-start memory of the judge", unit: "MiB", value: resident / bytesPerMebibyte },
        { name: "rules-start from a change until the alert of a purchase after it", unit: "ms", value: visible }
      ],
      wrong:
        found.join() === "after" ? [] : [`the purchases with an alert are ${found.join(", ")}, and not only "after"`],
      notes: []
    }
  }
}
