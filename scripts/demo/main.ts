import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import type { Demonstration } from "./Demonstration.ts"
import { Report } from "./Report.ts"
import { showKill } from "./showKill.ts"
import { showDuplicates, showGenerated, showRepeat } from "./steps.ts"
import { startedWorkers } from "./Workers.ts"

const usage = `node scripts/demo/main.ts --url http://127.0.0.1:8081 --survivor FILE
  what ./run.sh shows of a system that start.sh started; writes the user whose purchases outlived a killed worker,
  their number, their sum in cents and the ledger sequence of the last commit into FILE; exits 1 where a claim is wrong`

const { values } = parseArgs({
  options: { url: { type: "string" }, survivor: { type: "string" }, help: { type: "boolean", default: false } }
})

/** So many that a worker can be killed in their middle. */
const purchasesAmidKill = 20_000
/** The longest that an answer may take, in milliseconds. */
const answerMillisecondsMax = 60_000

const run = async (url: string, file: string): Promise<void> => {
  const startedAt = Math.floor(Date.now() / 1_000)
  let users = 0
  const report = new Report(console.log)
  const demonstration: Demonstration = {
    client: new PurchaseClient({
      url,
      fetch: (request) =>
        fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(answerMillisecondsMax)]) }),
      // A worker that has just started does not answer at once.
      onRetry: ({ message }) => report.say(`It is asked again: ${message}`)
    }),
    report,
    newUser: (name) => `${name}-${startedAt}-${process.pid}-${(users += 1)}`
  }
  await showGenerated(demonstration)
  await showDuplicates(demonstration)
  const { userId, entries, cents, ledgerSequence } = await showKill(demonstration, startedWorkers, purchasesAmidKill)
  await showRepeat(demonstration)
  writeFileSync(file, `${userId} ${entries.length} ${cents} ${ledgerSequence}\n`)
}

const messageOf = (failure: unknown): string => {
  if (!(failure instanceof Error)) return String(failure)
  return failure.name === "TimeoutError" ? `no whole answer within ${answerMillisecondsMax / 1_000} s` : failure.message
}

if (values.help) console.log(usage)
else {
  try {
    if (values.url === undefined || values.survivor === undefined) throw new Error(usage)
    await run(values.url, values.survivor)
  } catch (failure) {
    console.error(`demo: ${messageOf(failure)}`)
    // A request that is still on its way would keep the process.
    process.exit(1)
  }
}
