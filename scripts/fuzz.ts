import { parseArgs } from "node:util"
import { fuzz } from "../src/harness/fuzz/Fuzz.ts"

const usage = `usage: npm run fuzz -- [options]

Sends requests that strangers may send to an edge in this process. Exits 1 after a status of 500 or more, an answer that the
document does not describe, an error in the log, or memory that stays.
  --cases N      the number of requests (100000)
  --seed N       the seed of the first request (random)
  --help         prints this text`

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

/** The most mistakes that are printed. */
const shownMax = 20

if (values.help) console.log(usage)
else {
  const cases = Number(values.cases)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
  if (!Number.isInteger(cases) || cases < 1 || !Number.isInteger(seed)) throw new Error(usage)
  let shown = 0
  let wrong = 0
  const report = (line: string) => {
    if (line.startsWith("WRONG")) {
      wrong += 1
      if (wrong <= shownMax) console.log(line.slice(0, 2_000))
      return
    }
    if (Date.now() - shown < 5_000) return
    shown = Date.now()
    console.log(line)
  }
  const { statuses, mistakes, heapGrowthBytes } = await fuzz({ cases, seed, report })
  console.log(`seed ${seed}: ${cases} requests`)
  for (const [status, count] of Object.entries(statuses).toSorted()) console.log(`${status.padStart(10)} ${count}`)
  console.log(`the heap grew by ${(heapGrowthBytes / 1024 ** 2).toFixed(1)} MiB`)
  console.log(mistakes.length === 0 ? "ok" : `${mistakes.length} mistakes`)
  process.exitCode = mistakes.length === 0 ? 0 : 1
}
