import { Effect } from "effect"
import { readEnvironment } from "../../Settings.ts"
import { judgeMistakes } from "../simulation/JudgeMistakes.ts"
import { startJudge } from "../system/TestLedger.ts"
import { cursorFirst } from "./DeliveryMistake.ts"

// Runs a judge of the product that hears no signs of life of other judges, so it judges every shard. The setting
// MISTAKE, for example `J4`, names a planted mistake that the judge makes. A number in MISTAKE names a mistake of
// workers, which this judge does not make.
const named = process.env["MISTAKE"] ?? ""
const mistake = [...judgeMistakes, cursorFirst].find(({ name }) => name.startsWith(`${named} `))
if (named.startsWith("J") && mistake === undefined) throw new Error(`MISTAKE names no mistake of judges: ${named}`)

const settings = Effect.runSync(readEnvironment)
const starting = startJudge(settings, {
  ...mistake?.plant("judge"),
  signs: () => ({ give: () => Effect.void, watch: () => Effect.void })
})
process.once("SIGTERM", async () => {
  const { stop } = await starting
  await stop()
  process.exit(0)
})
await starting
