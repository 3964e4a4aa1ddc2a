import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { projectRoot } from "../../test/support/TestBroker.ts"
import type { Case, Measurement } from "./Case.ts"
import { endToEnd } from "./cases/EndToEnd.ts"
import { generate } from "./cases/Generate.ts"
import { requests } from "./cases/Requests.ts"
import { started, stopAll, stopped } from "./Ending.ts"
import { figuresOf, tableOf } from "./Figures.ts"
import { machine } from "./Machine.ts"
import { profileSummary } from "./ProfileSummary.ts"
import { Progress } from "./Progress.ts"
import { System } from "./System.ts"

const cases: ReadonlyArray<Case> = [generate, endToEnd, requests]
const names = cases.flatMap(({ measures }) => measures)

const usage = `usage: npm run bench -- [options]
  --only NAME     runs one case: ${names.join(", ")}
  --runs N        runs each case N times, 3 unless told
  --purchases N   how many purchases end-to-end sends, 500000 unless told
  --json FILE     writes the figures to a file as well
  --profile       leaves processor profiles of edge and worker in .data/profiles/<case>/`

const refuse = (message: string): never => {
  process.stderr.write(`${message}\n${usage}\n`)
  process.exit(2)
}

const readOptions = () => {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string" },
        runs: { type: "string", default: "3" },
        purchases: { type: "string", default: "500000" },
        json: { type: "string" },
        profile: { type: "boolean", default: false }
      }
    })
    const count = (name: "runs" | "purchases") =>
      /^[1-9][0-9]{0,7}$/.test(values[name]) ? Number(values[name]) : refuse(`--${name} must be a whole number from 1`)
    const { only } = values
    if (only !== undefined && !names.includes(only)) return refuse(`there is no case ${only}`)
    return { ...values, runs: count("runs"), purchases: count("purchases") }
  } catch (cause) {
    return refuse(String(cause))
  }
}

const options = readOptions()
const progress = new Progress()
const print = (text: string) => {
  progress.clear()
  process.stdout.write(`${text}\n`)
}

const profilesOf = (one: Case): string | undefined => {
  if (!options.profile) return undefined
  const directory = join(projectRoot, ".data/profiles", one.name)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return directory
}

/** Runs a case on a system of its own. */
const runOnce = async (one: Case, run: number, profiles: string | undefined) => {
  const step = `${one.name}, run ${run} of ${options.runs}`
  progress.begin(step)
  const system = await started(() => System.start({ run, profiles, usesEdge: one.usesEdge }))
  const outcome = await one.run({ system, progress, purchases: options.purchases })
  await stopped(system)
  for (const note of outcome.notes) print(`${step}: ${note}`)
  for (const line of system.said()) print(`${step}: ${line}`)
  for (const problem of outcome.wrong) print(`${step}: WRONG: ${problem}`)
  return outcome
}

const runAll = async (): Promise<boolean> => {
  const measurements: Array<Measurement> = []
  let isRight = true
  print(`${machine()}\n`)
  for (const one of cases) {
    if (options.only !== undefined && !one.measures.includes(options.only)) continue
    const profiles = profilesOf(one)
    for (let run = 1; run <= options.runs; run += 1) {
      const outcome = await runOnce(one, run, profiles)
      measurements.push(...outcome.measurements)
      if (outcome.wrong.length > 0) isRight = false
    }
    if (profiles === undefined) continue
    for (const file of readdirSync(profiles)) print(`\n${profileSummary(join(profiles, file))}`)
  }
  const figures = figuresOf(measurements)
  print(`\n${tableOf(figures)}`)
  print(isRight ? "\nEvery total is right." : "\nSomething is WRONG, see above.")
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`)
  return isRight
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const) {
  process.once(signal, () => void stopAll().then(() => process.exit(status)))
}

try {
  process.exitCode = (await runAll()) ? 0 : 1
} catch (cause) {
  progress.clear()
  await stopAll()
  process.stderr.write(`${cause instanceof Error ? cause.message : cause}\n`)
  process.exitCode = 1
}
