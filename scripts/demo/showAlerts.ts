import type { Alert } from "../../src/client/Answers.ts"
import type { Demonstration } from "./Demonstration.ts"
import type { Processes } from "./Processes.ts"

/** The longest time until the first alert is stored, and the longest time until all alerts are stored. */
const firstAlertMillisecondsMax = 30_000
const allJudgedMillisecondsMax = 60_000

/** Returns all alerts of a user. `through` is the ledger sequence up to which all purchases have to be judged; 0 for no wait. */
const alertsOf = async ({ client }: Demonstration, userId: string, through = 0): Promise<ReadonlyArray<Alert>> => {
  const deadline = performance.now() + allJudgedMillisecondsMax
  for (let judged = 0; judged < through;) {
    judged = (await client.alertsPage(userId, { limit: 1 })).completeThrough
    if (performance.now() > deadline) {
      throw new Error(`purchases up to ${through} were not judged within ${allJudgedMillisecondsMax / 1_000} s`)
    }
  }
  return Array.fromAsync(client.alerts(userId))
}

/** Sets a rule, makes a purchase that meets the rule, and shows the alert. */
const showOneAlert = async (demonstration: Demonstration, userId: string): Promise<void> => {
  const { client, report } = demonstration
  report.title(`A rule of ${userId}, and a purchase that meets it: PUT /users/${userId}/rules/dear`)
  const { inWords } = await client.putRule(userId, "dear", {
    productType: "Office",
    measure: "total",
    is: "greater-or-equal",
    threshold: "50.00"
  })
  report.say(inWords)
  const desk = { purchaseId: "desk", userId, productName: "Desk", productType: "Office", value: "70.35", quantity: 1 }
  await client.post({ ...desk, purchaseId: "lamp", productName: "Lamp", value: "9.99" }, { waitSeconds: 10 })
  await client.post(desk, { waitSeconds: 10 })
  await client.post(desk, { waitSeconds: 10 })
  const { ledgerSequence } = await client.receipt(userId, "desk")
  const alerts = await alertsOf(demonstration, userId, ledgerSequence)
  report.expect("alerts of two purchases, one of them sent twice", alerts.length, 1)
  const [alert] = alerts
  report.expect("the alert is about", alert?.purchase.purchaseId ?? "", "desk")
  await client.removeRule(userId, "dear")
}

/** Waits until a user has an alert. */
const someAlert = async ({ client }: Demonstration, userId: string): Promise<void> => {
  const deadline = performance.now() + firstAlertMillisecondsMax
  while ((await client.alertsPage(userId, { limit: 1 })).alerts.length === 0) {
    if (performance.now() > deadline)
      throw new Error(`${userId} had no alert in ${firstAlertMillisecondsMax / 1_000} s`)
  }
}

/**
 * Kills the judges while they judge purchases that all meet a rule, starts new judges, and counts the alerts. One half
 * of the purchases is stored after the kill, so that the new judges have work however late the kill comes.
 */
const showKilledJudge = async (demonstration: Demonstration, judges: Processes, purchases: number): Promise<void> => {
  const { client, report, newUser } = demonstration
  const userId = newUser("finn")
  report.title(`${purchases} purchases of ${userId} that all meet a rule, and the judge is killed meanwhile`)
  await client.putRule(userId, "all", { measure: "quantity", is: "greater-or-equal", threshold: "1" })
  const beforeKill = Math.ceil(purchases / 2)
  const [, killed] = await Promise.all([
    client.generate(beforeKill, userId),
    someAlert(demonstration, userId).then(() => judges.kill())
  ])
  await client.generate(purchases - beforeKill, userId)
  const { purchaseCount } = await client.total(userId)
  report.expect("purchases that are applied, though no judge runs", purchaseCount, purchases)
  const before = (await alertsOf(demonstration, userId)).length
  report.say(`kill -9 of ${killed.join(", ")}, when ${before} alerts were stored`)
  report.holds(`it was in the middle: ${purchases - before} alerts are missing`, 0 < before && before < purchases)

  report.title("The judge again: start.sh")
  await judges.start(killed.length)
  const { purchases: [newest] = [] } = await client.historyPage(userId, { limit: 1 })
  const { ledgerSequence } = await client.receipt(userId, newest?.purchaseId ?? "")
  const alerts = await alertsOf(demonstration, userId, ledgerSequence)
  report.expect("alerts", alerts.length, purchases)
  const judged = new Set(alerts.map(({ purchase }) => purchase.purchaseId))
  report.expect("purchases with an alert, so each has exactly one", judged.size, purchases)
}

/** Shows an alert, and claims that a killed judge neither loses nor doubles alerts. */
export const showAlerts = async (demonstration: Demonstration, judges: Processes, purchases: number): Promise<void> => {
  await showOneAlert(demonstration, demonstration.newUser("fay"))
  await showKilledJudge(demonstration, judges, purchases)
}
