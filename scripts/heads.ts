import { parseArgs } from "node:util"
import { setTimeout as pause } from "node:timers/promises"
import { until } from "../src/harness/system/TestBroker.ts"
import { headsStream } from "../src/protocol/Subject.ts"
import { untilApplied } from "./bench/Applied.ts"
import { withClient } from "./bench/BrokerClient.ts"
import type { NodeProcess } from "./bench/NodeProcess.ts"
import type { PublisherMessage } from "./bench/publisher.ts"
import { System } from "./bench/System.ts"
import { totalsOfWorkload, wrongLedger } from "./bench/Totals.ts"
import { repeatEveryUsual, type Workload } from "./bench/Workload.ts"

const usage = `usage: npm run heads -- [options]

Applies purchases of many users, kills a worker again and again while workers write heads, and compares every total.
Exits 1 if a total is wrong, or if a worker did not come back.
  --minutes N      the length of the load after the first purchases (60)
  --users N        the number of users (1000000)
  --per-second N   the most purchases that are published each second (4000)
  --help           prints this text`

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    users: { type: "string", default: "1000000" },
    "per-second": { type: "string", default: "4000" },
    help: { type: "boolean", default: false }
  }
})

/** The time between two kills: the lease of 3 s, and then time in which all partitions move back. */
const killEveryMilliseconds = 20_000
const reportEveryMilliseconds = 60_000
/** The changed revisions after which a worker writes a hint. With so few, a hint is nearly always being written. */
const revisionsOfHint = 1_024

const numberOf = (name: "minutes" | "users" | "per-second", least: number): number => {
  const number = Number(values[name])
  if (Number.isFinite(number) && number >= least) return number
  console.error(`--${name} must be a number of at least ${least}, and is ${values[name]}.\n${usage}`)
  process.exit(2)
}

/**
 * The most messages of the input log that may wait to be applied before more purchases are published. So a slow machine
 * gets fewer purchases, and no growing backlog.
 */
const waitingMessagesMax = 400
const waitEveryMilliseconds = 250
/** The longest time after a kill until each worker owns partitions again, in milliseconds. */
const sharedWithinMilliseconds = 180_000

/** Waits until few enough messages of the input log wait to be applied. */
const untilFewWait = async (system: System): Promise<void> => {
  const waiting = async () =>
    (await system.status()).partitions.reduce(
      (sum, { waitingMessages = waitingMessagesMax }) => sum + waitingMessages,
      0
    )
  while ((await waiting()) > waitingMessagesMax) await pause(waitEveryMilliseconds)
}

/** Returns how many messages the stream of heads has ever stored. */
const headsWritten = (brokerUrl: string): Promise<number> =>
  withClient(brokerUrl, async (client) => {
    const { state } = await (await client.jetstreamManager()).streams.info(headsStream)
    return state.last_seq
  })

const publish = async (publisher: NodeProcess, workload: Workload, from: number, to: number): Promise<void> => {
  const published = publisher.message<PublisherMessage, "published">("published", () => undefined)
  publisher.send({ workload, from, to })
  await published
}

/** Publishes purchases at an even rate, or slower on a slow machine, until the time is over. Returns the number of all published purchases. */
const publishEvenly = async (
  system: System,
  publisher: NodeProcess,
  workload: Workload,
  { from, perSecond, milliseconds }: { from: number; perSecond: number; milliseconds: number }
): Promise<number> => {
  const begun = performance.now()
  let published = from
  while (performance.now() - begun < milliseconds) {
    const due = begun + ((published - from) / perSecond) * 1_000
    await pause(Math.max(0, due - performance.now()))
    await untilFewWait(system)
    await publish(publisher, workload, published, published + perSecond)
    published += perSecond
  }
  return published
}

/** Kills the first worker again and again until the signal. Returns the number of kills. */
const killAgainAndAgain = async (system: System, signal: AbortSignal): Promise<number> => {
  let kills = 0
  while (!signal.aborted) {
    await pause(killEveryMilliseconds, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    await system.replaceWorker("kill")
    kills += 1
    await until("each worker owns partitions again", () => system.isShared(), sharedWithinMilliseconds)
  }
  return kills
}

const report = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)

/** Returns an error with what the processes of the system logged, and with the state that the edge reports. */
const explained = async (system: System, cause: unknown): Promise<Error> => {
  const status = await fetch(`${system.edgeUrl}/status`).then(
    (answer) => answer.text(),
    (failure: unknown) => String(failure)
  )
  return new Error([String(cause), ...system.said(), status].join("\n"), { cause })
}

/** Fills the ledger, loads it while a worker is killed, and returns the wrong totals. */
const run = async (system: System, users: number, perSecond: number, minutes: number): Promise<Array<string>> => {
  const workload = { purchases: 0, users, repeatEvery: repeatEveryUsual }
  const publisher = await system.startPublisher()
  await publish(publisher, workload, 0, users)
  const { broker, partitions } = system
  await untilApplied({ workers: system.workers, broker, partitions })
  report(`${users.toLocaleString("en")} purchases are applied; the kills begin`)
  const over = new AbortController()
  const reporting = setInterval(() => {
    void headsWritten(broker.url).then(
      (written) => report(`${written.toLocaleString("en")} messages of heads were stored`),
      (cause: unknown) => report(`the heads could not be counted: ${String(cause)}`)
    )
  }, reportEveryMilliseconds)
  const killing = killAgainAndAgain(system, over.signal)
  const load = { from: users, perSecond, milliseconds: minutes * 60_000 }
  const published = await Promise.race([publishEvenly(system, publisher, workload, load), killing.then(() => users)])
  over.abort()
  const kills = await killing
  clearInterval(reporting)
  await untilApplied({ workers: system.workers, broker, partitions })
  const written = await headsWritten(broker.url)
  report(
    `${published.toLocaleString("en")} purchases, ${kills} kills, ${written.toLocaleString("en")} messages of heads`
  )
  return wrongLedger(system, totalsOfWorkload({ ...workload, purchases: published }))
}

const main = async (): Promise<void> => {
  const [minutes, users, perSecond] = [numberOf("minutes", 0.1), numberOf("users", 1), numberOf("per-second", 1)]
  const settings = { TEST_HEADS_REVISIONS: String(revisionsOfHint) }
  const system = await System.start({ usesEdge: false, workers: 2, settings, run: 1, profiles: undefined })
  // The processes of the system end with this process.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))
  try {
    const wrong = await run(system, users, perSecond, minutes).catch(async (cause: unknown) => {
      throw await explained(system, cause)
    })
    for (const line of wrong) console.error(line)
    console.log(wrong.length === 0 ? "Every total is right." : "Some totals are wrong.")
    process.exitCode = wrong.length === 0 ? 0 : 1
  } finally {
    await system.stop()
  }
}

if (values.help) console.log(usage)
else await main()
