import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { readBrokerState } from "../src/nats/BrokerState.ts"

const usage = `usage: node scripts/broker-state.ts --key FILE URL

Prints the state of the broker at URL as one line: whether it knows all leaders (yes or no), the leader of the
cluster or -, and its health. Exits 1 if the broker does not answer. FILE is the key "monitor".`

const { values, positionals } = parseArgs({
  options: { key: { type: "string" }, help: { type: "boolean", default: false } },
  allowPositionals: true
})
const [url] = positionals

if (values.help || values.key === undefined || url === undefined) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}
try {
  const seed = new TextEncoder().encode(readFileSync(values.key, "utf8").trim())
  const { health, leader, knowsLeaders } = await readBrokerState(url, seed)
  console.log(`${knowsLeaders ? "yes" : "no"} ${leader ?? "-"} ${health}`)
} catch (failure) {
  console.error(`broker-state: ${failure instanceof Error ? failure.message : String(failure)}`)
  process.exit(1)
}
