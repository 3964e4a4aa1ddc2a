import { parseArgs } from "node:util"
import { CuttableDisk, NoCuttableDisk } from "../src/harness/power/CuttableDisk.ts"
import { type PowerCutOutcome, type PowerCutPlan, runPowerCuts } from "../src/harness/power/PowerCuts.ts"

const usage = `usage: npm run power-cuts -- [options]

Cuts the power of the broker's disk again and again, and looks for lost purchases. Needs Linux and root.
Exits 1 if a purchase is lost, or if the cuts prove nothing.
  --cuts N    the number of cuts (50)
  --seed N    the seed of the moments of the cuts (random)
  --help      prints this text`

const mistakesShownMax = 20
const cutsOfControl = 1

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "50" },
    seed: { type: "string", default: String(Math.ceil(Math.random() * 2 ** 31)) },
    help: { type: "boolean", default: false }
  }
})

const numberOf = (text: string): number => {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${text} is not a whole number above 0.\n${usage}`)
  return number
}

const runOn = async (disk: CuttableDisk, plan: PowerCutPlan): Promise<PowerCutOutcome> => {
  try {
    return await runPowerCuts(disk, plan)
  } finally {
    disk.remove()
  }
}

const lostOf = ({ mistakes }: PowerCutOutcome): number => mistakes.filter((one) => one.endsWith(" is lost")).length

const lines = (outcome: PowerCutOutcome): string =>
  `${outcome.acknowledged} purchases acknowledged, ${outcome.failures} requests failed, ${lostOf(outcome)} lost, ` +
  `${outcome.mistakes.length - lostOf(outcome)} other mistakes, ${outcome.later.length} after another start`

/** Returns whether no purchase was lost, and at least as many requests failed as there were cuts. */
const cutPower = async (cuts: number, seed: number): Promise<boolean> => {
  const control = await runOn(CuttableDisk.create(), { cuts: cutsOfControl, seed, syncsAlways: false })
  console.log(`control, a broker that syncs every two minutes, ${cutsOfControl} cut: ${lines(control)}`)
  if (lostOf(control) === 0) {
    console.log("INVALID: the control lost nothing, so these cuts prove nothing")
    return false
  }
  const outcome = await runOn(CuttableDisk.create(), { cuts, seed, syncsAlways: true, report: console.log })
  console.log(`sync_interval: always, ${cuts} cuts, seed ${seed}: ${lines(outcome)}`)
  const mistakes = [...outcome.mistakes, ...outcome.later]
  for (const mistake of mistakes.slice(0, mistakesShownMax)) console.log(`WRONG: ${mistake}`)
  if (outcome.failures < cuts) console.log("INVALID: not every cut was felt by a client")
  return mistakes.length === 0 && outcome.failures >= cuts
}

// The disk is removed when the process ends, also by a signal.
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const) {
  process.once(signal, () => process.exit(status))
}

if (values.help) console.log(usage)
else {
  try {
    process.exitCode = (await cutPower(numberOf(values.cuts), numberOf(values.seed))) ? 0 : 1
  } catch (cause) {
    if (!(cause instanceof NoCuttableDisk)) throw cause
    console.log(`skipped: ${cause.message}`)
  }
}
