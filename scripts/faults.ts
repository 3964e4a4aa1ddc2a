import { mkdirSync } from "node:fs"
import { parseArgs } from "node:util"
import { runFaults } from "../src/harness/faults/FaultRun.ts"
import { describeResult, isAsPromised } from "../src/harness/faults/Verdict.ts"

const usage = `usage: npm run faults -- [options]

Brings faults about in real processes, and checks all that they answered. Exits 1 if a promise was broken.
  --minutes N      the length of the run (2)
  --seed N         the seed of the plan of faults (random)
  --cluster        three brokers instead of one
  --mistake N      workers make this mistake of src/harness/simulation/Mistakes.ts, and the run has to find it;
                   with a name like J4 judges make this mistake of src/harness/simulation/JudgeMistakes.ts;
                   with J15 judges make the mistake of src/harness/faults/DeliveryMistake.ts
  --help           prints this text`

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    cluster: { type: "boolean", default: false },
    mistake: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

const numberOf = (name: "minutes" | "seed", least: number): number => {
  const text = values[name]
  const number = Number(text)
  if (Number.isFinite(number) && number >= least) return number
  console.error(`--${name} must be a number of at least ${least}, and is ${text}.\n${usage}`)
  process.exit(2)
}

const main = async (): Promise<void> => {
  const minutes = numberOf("minutes", 0.5)
  const seed = numberOf("seed", 0)
  const mistake = values.mistake === undefined ? {} : { mistake: values.mistake }
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
  // The processes of the run end with this process.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))
  const result = await runFaults({ seed, minutes, isCluster: values.cluster, logPath, progress, ...mistake })
  if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  console.log(describeResult(result))
  process.exitCode = isAsPromised(result) ? 0 : 1
}

if (values.help) console.log(usage)
else await main()
