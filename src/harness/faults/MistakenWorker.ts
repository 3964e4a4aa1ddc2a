import { Effect } from "effect"
import { readEnvironment } from "../../Settings.ts"
import { mistakes } from "../simulation/Mistakes.ts"
import { startWorker } from "../system/TestLedger.ts"

// Runs a worker of the product with replaced services, which break one rule of the protocol.
const mistake = mistakes[Number(process.env["MISTAKE"]) - 1]
if (mistake === undefined) throw new Error(`MISTAKE must be from 1 to ${mistakes.length}`)

const settings = Effect.runSync(readEnvironment)
const starting = startWorker(settings, { ...mistake.plant("janitor"), ...mistake.plant("worker") })
process.once("SIGTERM", async () => {
  const { runtime, worker, stop } = await starting
  await runtime.runPromise(worker.drain)
  await stop()
  process.exit(0)
})
await starting
