import { mkdirSync } from "node:fs"
import { parseArgs } from "node:util"
import { runFaults } from "../test/faults/run/FaultRun.ts"
import { describeResult, isAsPromised } from "../test/faults/run/Verdict.ts"

const usage = `npm run faults -- --minutes 60     lets faults happen to real processes for so long
  --seed 17        the plan of faults; a new one each time unless told otherwise
  --cluster        three brokers instead of one
  --mistake 3      workers make a mistake of test/simulation/Mistakes.ts, which has to be found`

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    cluster: { type: "boolean", default: false },
    mistake: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

const numberOf = (name: "minutes" | "seed" | "mistake", least: number): number => {
  const text = values[name]
  const number = Number(text)
  if (Number.isFinite(number) && number >= least) return number
  console.error(`--${name} must be a number of at least ${least}, and is ${text}\n${usage}`)
  process.exit(2)
}

const main = async (): Promise<void> => {
  const minutes = numberOf("minutes", 0.5)
  const seed = numberOf("seed", 0)
  const mistake = values.mistake === undefined ? {} : { mistake: numberOf("mistake", 1) }
  const directory = `${process.env["DATA_DIR"] ?? ".data"}/faults`
  mkdirSync(directory, { recursive: true })
  const logPath = `${directory}/${values.cluster ? "cluster" : "broker"}-${seed}.jsonl`
  console.log(`seed ${seed}; every request and every fault is in ${logPath}`)
  let shownAt = 0
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`)
    else if (performance.now() - shownAt > 30_000) {
      shownAt = performance.now()
      console.error(text)
    }
  }
  // Whatever ends this process, what it started ends with it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))
  const result = await runFaults({ seed, minutes, isCluster: values.cluster, logPath, progress, ...mistake })
  if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  console.log(describeResult(result))
  process.exitCode = isAsPromised(result) ? 0 : 1
}

if (values.help) console.log(usage)
else await main()
