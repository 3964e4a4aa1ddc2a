import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { planOf } from "../src/harness/simulation/Plan.ts"
import { runSeeds } from "../src/harness/simulation/Seeds.ts"
import { describeShrunk, shrink } from "../src/harness/simulation/Shrink.ts"
import { simulate } from "../src/harness/simulation/Simulation.ts"

const usage = `usage: npm run simulate -- [options]

Runs the real workers on a simulated broker, one run a seed. Exits 1 if a seed breaks a promise.
  --seeds N      the number of seeds (2000)
  --first N      the first seed (1)
  --seed N       runs this seed only, and prints all its events
  --threads N    the number of threads (one for each processor)
  --help         prints this text`

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false }
  }
})

const numberOf = (text: string): number => {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${text} is not a whole number above 0.\n${usage}`)
  return number
}

const showOne = (seed: number): boolean => {
  const { events, problems } = simulate(planOf(seed))
  console.log([...events, ...problems].join("\n"))
  if (problems.length > 0) console.log(`\n${describeShrunk(seed, shrink(planOf(seed)))}`)
  return problems.length === 0
}

const showMany = async (first: number, count: number, threads: number): Promise<boolean> => {
  const started = performance.now()
  const { failures, acknowledged, processorMilliseconds } = await runSeeds(first, count, threads)
  const seconds = (performance.now() - started) / 1_000
  console.log(
    `${count} seeds from ${first} on, ${acknowledged} purchases acknowledged, ${failures.length} seeds with problems\n` +
      `${(count / seconds).toFixed(0)} seeds/s on ${threads} threads, ` +
      `${(processorMilliseconds / count).toFixed(1)} ms of processor time a seed`
  )
  for (const { seed, problems } of failures) console.log(`seed ${seed}: ${problems.join("; ")}`)
  const shortest = failures[0]
  if (shortest !== undefined) console.log(`\n${describeShrunk(shortest.seed, shrink(planOf(shortest.seed)))}`)
  return failures.length === 0
}

if (values.help) console.log(usage)
else {
  const isGood =
    values.seed === undefined
      ? await showMany(numberOf(values.first), numberOf(values.seeds), numberOf(values.threads))
      : showOne(numberOf(values.seed))
  process.exitCode = isGood ? 0 : 1
}
