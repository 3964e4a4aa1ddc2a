import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import type { Case, Measurement, Outcome } from "./Case.ts"
import { draw } from "./Charts.ts"
import { started, stopAll, stopped, type Stoppable } from "./Ending.ts"
import { type Figure, figuresOf, tableOf } from "./Figures.ts"
import { Floor } from "./Floor.ts"
import { HttpFloor } from "./HttpFloor.ts"
import { machine } from "./Machine.ts"
import { watchOtherLoad } from "./OtherLoad.ts"
import { readOptions } from "./Options.ts"
import { profileSummary } from "./ProfileSummary.ts"
import { Progress } from "./Progress.ts"
import { RequestFloor } from "./RequestFloor.ts"
import { System } from "./System.ts"

/**
 * The share of the processors from which on a run reports the load of other programs or of the host. A load of other
 * programs distorts the figures of the benchmark.
 */
const otherLoadTold = 0.03
const stolenTold = 0.01

const options = readOptions()
const progress = new Progress()
const print = (text: string) => {
  progress.clear()
  process.stdout.write(`${text}\n`)
}

const profilesOf = (one: Case): string | undefined => {
  if (!options.isProfiling) return undefined
  const directory = join(projectRoot, ".data/profiles", one.name)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return directory
}

/** Runs a case once, and ends the processes that it started. */
const runOnce = async (one: Case, run: number, profiles: string | undefined): Promise<Outcome> => {
  const step = `${one.name}, run ${run} of ${options.runs}`
  progress.begin(step)
  const otherLoad = watchOtherLoad()
  const running: Array<Stoppable & { said: () => Array<string> }> = []
  const starting = async <R extends Stoppable & { said: () => Array<string> }>(start: () => Promise<R>): Promise<R> => {
    const begun = await started(start)
    running.push(begun)
    return begun
  }
  const outcome = await one
    .run({
      run,
      progress,
      startSystem: (needs) => starting(() => System.start({ run, profiles, ...needs })),
      startFloor: (options) => starting(() => Floor.start(options)),
      startRequestFloor: () => starting(() => RequestFloor.start()),
      startHttpFloor: () => starting(() => HttpFloor.start())
    })
    .catch((cause: unknown) => {
      throw new Error([String(cause), ...running.flatMap((begun) => begun.said())].join("\n"), { cause })
    })
  for (const begun of running) await stopped(begun)
  const { others, stolen } = otherLoad()
  // A case that registers no processes may run the system by start.sh. The processes of start.sh would count as other
  // programs.
  if (running.length > 0 && others >= otherLoadTold) {
    print(`${step}: other programs used ${(100 * others).toFixed(0)} % of the processors meanwhile`)
  }
  if (stolen >= stolenTold) {
    print(`${step}: the host kept ${(100 * stolen).toFixed(0)} % of the processors from this machine meanwhile`)
  }
  for (const note of outcome.notes) print(`${step}: ${note}`)
  for (const line of running.flatMap((begun) => begun.said())) print(`${step}: ${line}`)
  for (const problem of outcome.wrong) print(`${step}: WRONG: ${problem}`)
  return outcome
}

/** The measurements so far, which are printed even if the benchmark ends early. */
const measurements: Array<Measurement> = []

const runAll = async (): Promise<boolean> => {
  let isRight = true
  print(`${machine()}\n`)
  for (const one of options.cases) {
    const profiles = profilesOf(one)
    for (let run = 1; run <= options.runs; run += 1) {
      const outcome = await runOnce(one, run, profiles)
      measurements.push(...outcome.measurements)
      if (outcome.wrong.length > 0) isRight = false
    }
    if (profiles === undefined) continue
    const last = readdirSync(profiles).filter((file) => file.endsWith(`-${options.runs}.cpuprofile`))
    for (const file of last) print(`\n${profileSummary(join(profiles, file))}`)
  }
  return isRight
}

const tell = (figures: ReadonlyArray<Figure>): void => {
  const { json, charts } = options
  print(`\n${tableOf(figures)}`)
  if (options.isProfiling) print("The figures include the time of the profiler.")
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, null, 2)}\n`)
  if (charts !== undefined) for (const file of draw(figures, charts)) print(file)
}

const bench = async (): Promise<boolean> => {
  if (options.from !== undefined) {
    tell(JSON.parse(readFileSync(options.from, "utf8")))
    return true
  }
  const isRight = await runAll()
  tell(figuresOf(measurements))
  print(isRight ? "\nEvery total is right." : "\nSomething is WRONG, see above.")
  return isRight
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const) {
  process.once(signal, () => {
    tell(figuresOf(measurements))
    void stopAll().then(() => process.exit(status))
  })
}

try {
  process.exitCode = (await bench()) ? 0 : 1
} catch (cause) {
  progress.clear()
  await stopAll()
  tell(figuresOf(measurements))
  process.stderr.write(`${cause instanceof Error ? cause.message : cause}\n`)
  process.exitCode = 1
}
