import { AlertFeedReader } from "../AlertFeedReader.ts"
import type { Case, CaseInput, Measurement } from "../Case.ts"
import { latencyMeasurements } from "../Latency.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { alertsOf, rulesInForce, storeRules, untilJudged } from "../RulesOfWorkload.ts"
import { throughput } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"
import { repeatEveryUsual, type Workload } from "../Workload.ts"

interface Path {
  readonly name: string
  readonly users: number
  readonly warmUp: number
  readonly measured: number
}

const paths: ReadonlyArray<Path> = [
  { name: "end-to-end", users: 1_000, warmUp: 50_000, measured: 500_000 },
  { name: "end-to-end-100k", users: 100_000, warmUp: 20_000, measured: 250_000 }
]

const perSecond = 1_000
const warmUpSeconds = 5
const secondsMeasured = 30
const posted: Workload = { purchases: perSecond * (warmUpSeconds + secondsMeasured), users: 1_000, repeatEvery: 0 }

const wrongAlerts = (name: string, found: number, workload: Workload): Array<string> => {
  const expected = alertsOf(workload)
  return found === expected ? [] : [`${name}: ${found} alerts are stored, and ${expected} purchases met a rule`]
}

/** Measures the time until the last commit of purchases, on a ledger with rules, with or without a judge. */
const runPath = async (
  { startSystem, progress }: CaseInput,
  { name, users, warmUp, measured }: Path,
  isJudged: boolean
) => {
  const workload: Workload = { purchases: warmUp + measured, users, repeatEvery: repeatEveryUsual }
  const system = await startSystem({ usesEdge: false })
  progress.show(`${name}: storing rules`)
  await storeRules(system.broker.url, users)
  if (isJudged) system.startJudge()
  const { workers, broker, partitions } = system
  const line = { publisher: await system.startPublisher(), workers, broker, partitions }
  await throughput(line, { workload, from: 0, to: warmUp }, progress)
  if (isJudged) await untilJudged(broker.url)
  const { perSecond: rate } = await throughput(line, { workload, from: warmUp, to: workload.purchases }, progress)
  progress.show(`${name}: reading every total`)
  const wrong = await wrongLedger(system, totalsOfWorkload(workload))
  if (isJudged) wrong.push(...wrongAlerts(name, await untilJudged(broker.url), workload))
  await system.stop()
  return { rate, wrong }
}

/**
 * Measures the time from the storing of a purchase to the arrival of its alert at a reader of the feed, in an open
 * loop.
 */
const runFeed = async ({ startSystem, progress }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  await storeRules(system.broker.url, posted.users)
  system.startJudge()
  const load = new LoadProcess(system, progress)
  const pace = { perSecond }
  const from = perSecond * warmUpSeconds
  const before = await load.run({ workload: posted, posts: { from: 0, to: from, pace, until: "stored" } })
  await untilJudged(system.broker.url)
  const reader = await AlertFeedReader.open(system.edgeUrl)
  const { wrong } = await load.run({
    workload: posted,
    posts: { from, to: posted.purchases, pace, until: "stored" }
  })
  await reader.have(alertsOf(posted) - alertsOf({ ...posted, purchases: from }))
  reader.close()
  const alerts = wrongAlerts("alerts in the feed", await untilJudged(system.broker.url), posted)
  const totals = await wrongLedger(system, totalsOfWorkload(posted))
  await system.stop()
  return { latencies: reader.latencies, wrong: [...before.wrong, ...wrong, ...alerts, ...totals] }
}

/**
 * Measures how much a judge slows the path of a purchase down. Odd runs begin without a judge, and even runs begin with
 * a judge.
 */
export const rulesPath: Case = {
  name: "rules-path",
  about: `end to end with ${rulesInForce.toLocaleString("en")} rules and alerts on 1 % of purchases, without and with a judge; alerts in the feed at ${perSecond} posts/s`,
  isLong: true,
  run: async (input) => {
    const measurements: Array<Measurement> = []
    const wrong: Array<string> = []
    for (const path of paths) {
      const order = input.run % 2 === 1 ? [false, true] : [true, false]
      const rates = new Map<boolean, number>()
      for (const isJudged of order) {
        const ran = await runPath(input, path, isJudged)
        rates.set(isJudged, ran.rate)
        wrong.push(...ran.wrong)
      }
      const [off = 0, on = 0] = [rates.get(false), rates.get(true)]
      measurements.push(
        { name: `${path.name} without a judge`, unit: "purchases/s", value: off },
        { name: `${path.name} with a judge`, unit: "purchases/s", value: on },
        { name: `${path.name} with, of without`, unit: "ratio", value: on / off }
      )
    }
    const feed = await runFeed(input)
    measurements.push(...latencyMeasurements("alert in the feed", feed.latencies))
    return { measurements, wrong: [...wrong, ...feed.wrong], notes: [] }
  }
}
