import { parseArgs } from "node:util"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import type { Demonstration } from "./Demonstration.ts"
import { findNatsTool } from "./NatsTool.ts"
import { Report } from "./Report.ts"
import { showAlerts } from "./showAlerts.ts"
import { showInside } from "./showInside.ts"
import { showKill } from "./showKill.ts"
import { showDuplicates, showGenerated, showRepeat } from "./steps.ts"
import { startedProcesses } from "./Processes.ts"

const usage = `usage: node scripts/demo/main.ts --url http://127.0.0.1:8081

Does what ./run.sh shows of a system that start.sh started, under the same settings. Kills its workers and
judges, and starts them again. Exits 1 if a claim is wrong.`

const { values } = parseArgs({
  options: { url: { type: "string" }, help: { type: "boolean", default: false } }
})

/** The token of the caller; `undefined` if the service asks for no token. */
const token = process.env["PURCHASES_TOKEN"] || undefined
/**
 * The number of purchases of the step that kills a worker. The number is large enough that the kill comes while
 * purchases are applied.
 */
const purchasesAmidKill = 20_000
/**
 * The number of alerts of the step that kills a judge. The number is large enough that the kill comes while purchases
 * are judged.
 */
const alertsAmidKill = 10_000
/** The longest time that an answer of the service may take, in milliseconds. */
const answerMillisecondsMax = 60_000

const run = async (url: string): Promise<void> => {
  const startedAt = Math.floor(Date.now() / 1_000)
  let users = 0
  const report = new Report(console.log)
  const demonstration: Demonstration = {
    client: new PurchaseClient({
      url,
      ...(token === undefined ? {} : { token }),
      fetch: (request) =>
        fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(answerMillisecondsMax)]) }),
      // The demo reports each retry of a request, because a worker that has just started does not answer at once.
      onRetry: ({ message }) => report.say(`It is asked again: ${message}`)
    }),
    report,
    newUser: (name) => `${name}-${startedAt}-${process.pid}-${(users += 1)}`
  }
  await showGenerated(demonstration)
  await showDuplicates(demonstration)
  const survivor = await showKill(demonstration, startedProcesses("worker"), purchasesAmidKill)
  await showRepeat(demonstration)
  await showAlerts(demonstration, startedProcesses("judge"), alertsAmidKill)

  const nats = await findNatsTool(process.env)
  if (nats === undefined) {
    report.title("There is no nats command line tool here, so this does not look inside the broker.")
  } else await showInside(report, nats, survivor)
}

const messageOf = (failure: unknown): string => {
  if (!(failure instanceof Error)) return String(failure)
  return failure.name === "TimeoutError" ? `no whole answer within ${answerMillisecondsMax / 1_000} s` : failure.message
}

if (values.help) console.log(usage)
else {
  try {
    if (values.url === undefined) throw new Error(usage)
    await run(values.url)
  } catch (failure) {
    console.error(`demo: ${messageOf(failure)}`)
    // The demo exits explicitly, because a request in flight would keep the process alive.
    process.exit(1)
  }
}
