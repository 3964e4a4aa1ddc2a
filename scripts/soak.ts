import { parseArgs } from "node:util"
import { describeGrowth, isTooMuch } from "../src/harness/soak/Growth.ts"
import { quietMillisecondsMax, soak } from "../src/harness/soak/Soak.ts"

const usage = `usage: npm run soak -- [options]

Loads a system, and compares its memory and handles before and after. Exits 1 if something grew.
  --minutes N    the length of the load (10)
  --help         prints this text`

/** The least work of a run. With less work a run would prove nothing. */
const tried = { operationsMin: 3_000, arrivalsMin: 1 }

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, help: { type: "boolean", default: false } }
})

const run = async (minutes: number): Promise<boolean> => {
  const { growth, operations, arrivals, reversals, mistakes } = await soak({
    seed: Math.ceil(Math.random() * 2 ** 31),
    warmUp: { milliseconds: 30_000, ...tried },
    quietMilliseconds: quietMillisecondsMax,
    load: { milliseconds: minutes * 60_000, ...tried },
    report: console.log,
    signal: interrupted.signal
  })
  console.log(
    `${minutes} minutes, ${operations} requests, ${reversals} reversals, another worker came and went ${arrivals} times`
  )
  for (const one of growth) console.log(describeGrowth(one))
  for (const mistake of mistakes) console.log(`WRONG: ${mistake}`)
  return mistakes.length === 0 && !growth.some(isTooMuch)
}

const interrupted = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort())

if (values.help) console.log(usage)
else {
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new Error(`not a number above 0: ${values.minutes}\n${usage}`)
  try {
    process.exitCode = (await run(minutes)) ? 0 : 1
  } catch (cause) {
    console.error(cause instanceof Error ? cause.message : cause)
    process.exit(1)
  }
}
