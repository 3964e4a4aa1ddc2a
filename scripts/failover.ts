import { parseArgs } from "node:util"
import { inputStream, journalStream } from "../src/protocol/Subject.ts"
import { appliedWithinMilliseconds, isRoundGood, loseTwo, type LoseTwoRound } from "../src/harness/system/LoseTwo.ts"
import { until } from "../src/harness/system/TestBroker.ts"
import { Installation } from "../src/harness/system/Installation.ts"
import type { Felt } from "../src/harness/system/Traffic.ts"

const usage = `usage: npm run failover -- [options]

Starts three brokers, two workers and two edges under load, ends some of them in turn, and prints how long
callers waited. Exits 1 if a wait is above its limit, or if a purchase is lost, doubled or out of order.
  --broker N      kills the broker that leads N times (10)
  --worker N      kills a worker N times with -9 (5)
  --drain N       ends a worker N times with SIGTERM (5)
  --majority N    kills two of three brokers N times (3)
  --lose-two      does nothing but kill two of three brokers, under a heavier load. The broker that is left
                  leads a stream. Exits 1 if purchases are not applied in time after both are back and
                  /readyz does not say so, or if a purchase is lost, doubled or out of order.
  --rounds N      the number of such kills with --lose-two (10)
  --output        prints the output of all processes at the end
  --help          prints this text`

const { values } = parseArgs({
  options: {
    broker: { type: "string", default: "10" },
    worker: { type: "string", default: "5" },
    drain: { type: "string", default: "5" },
    majority: { type: "string", default: "3" },
    "lose-two": { type: "boolean", default: false },
    rounds: { type: "string", default: "10" },
    output: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

/**
 * The time after a fault in which its effects may begin. For example, the loss of a consumer with its broker is noticed
 * late.
 */
const brokerObservedMilliseconds = 12_000
const workerObservedMilliseconds = 5_000
const passedWithinMilliseconds = 60_000
const startedWithinMilliseconds = 30_000

interface Result {
  readonly fault: string
  readonly measured: string
  readonly milliseconds: number
  readonly limitMilliseconds: number
  readonly errors: Felt["errors"]
}

const results: Array<Result> = []

const record = (result: Result) => {
  results.push(result)
  const { fault, measured, milliseconds, errors } = result
  const time = new Date().toISOString().slice(11, 19)
  console.log(`${time} ${fault}: ${measured} ${(milliseconds / 1_000).toFixed(2)} s ${JSON.stringify(errors)}`)
}

const leaders: ReadonlyArray<string> = [journalStream, inputStream, "meta"]

interface Expected {
  readonly fault: string
  /** The time after the fault in which its effects may begin. */
  readonly observedMilliseconds: number
  /** The longest waits that are allowed. */
  readonly limitMilliseconds: { readonly write: number; readonly read: number }
}

/** Causes a fault, and measures the waits of the callers. */
const observe = async (installation: Installation, expected: Expected, fault: () => unknown) => {
  const { traffic } = installation
  const at = performance.now()
  await fault()
  await until(
    "the callers go on",
    () => traffic.hasPassed(at + expected.observedMilliseconds),
    passedWithinMilliseconds
  )
  for (const kind of ["write", "read"] as const) {
    const { waited, errors } = traffic.feltSince(kind, at)
    const limitMilliseconds = expected.limitMilliseconds[kind]
    record({ fault: expected.fault, measured: `${kind} waits`, milliseconds: waited, limitMilliseconds, errors })
  }
}

const killLeader = async (installation: Installation, number: number) => {
  const { cluster } = installation
  const led = leaders[number % leaders.length] ?? "meta"
  const broker = await cluster.leaderOf(led)
  if (broker === undefined) throw new Error(`nobody leads ${led}`)
  const fault = `kill -9 of the leader of ${led}`
  const limitMilliseconds = { write: 10_000, read: 10_000 }
  const expected = { fault, observedMilliseconds: brokerObservedMilliseconds, limitMilliseconds }
  await observe(installation, expected, () => broker.kill())
  broker.launch()
  await cluster.untilWhole()
}

const endWorker = async (installation: Installation, number: number, signal: NodeJS.Signals) => {
  const name = `worker-${(number % 2) + 1}`
  const observedMilliseconds = workerObservedMilliseconds
  const whileGone = { write: 1_000, read: signal === "SIGKILL" ? 5_000 : 1_000 }
  const ended = { fault: `${signal} of a worker`, observedMilliseconds, limitMilliseconds: whileGone }
  await observe(installation, ended, () => installation.end(name, signal))
  const whileJoining = { write: 1_000, read: 1_000 }
  const joined = { fault: `worker starts after ${signal}`, observedMilliseconds, limitMilliseconds: whileJoining }
  await observe(installation, joined, () => installation.start(name))
}

const majorityLostMilliseconds = 30_000

const killTwo = async (installation: Installation, number: number) => {
  const { cluster, traffic } = installation
  const kept = cluster.brokers[number % cluster.brokers.length]
  const [first, second] = cluster.brokers.filter((broker) => broker !== kept)
  if (first === undefined || second === undefined) throw new Error("no two brokers")
  const at = performance.now()
  await Promise.all([first.kill(), second.kill()])
  await new Promise((resolve) => setTimeout(resolve, majorityLostMilliseconds))
  const attempts = traffic.attemptsSince("write", at).filter(({ startedAt }) => startedAt > at)
  const refused = attempts.filter(({ status }) => status === 503)
  const until503 = (refused[0]?.endedAt ?? Infinity) - at
  const slow = Math.max(
    ...attempts.filter(({ startedAt }) => startedAt > at + 10_000).map(({ startedAt, endedAt }) => endedAt - startedAt)
  )
  const { errors } = traffic.feltSince("write", at)
  const push = (measured: string, milliseconds: number, limitMilliseconds: number) =>
    record({ fault: "two of three brokers gone", measured, milliseconds, limitMilliseconds, errors })
  push("first 503 after", until503, 2_000)
  push("slowest answer after 10 s", slow, 2_000)
  const backAt = performance.now()
  first.launch()
  await until("the callers go on", () => traffic.hasPassed(backAt), passedWithinMilliseconds)
  const ok = (kind: "write" | "read") => {
    const good = traffic.attemptsSince(kind, backAt).filter(({ status }) => status === 200 || status === 202)
    return (good[0]?.endedAt ?? Infinity) - backAt
  }
  push("first write after one is started", ok("write"), startedWithinMilliseconds)
  push("all callers go on", performance.now() - backAt, startedWithinMilliseconds)
  second.launch()
  await cluster.untilWhole()
}

const seconds = (milliseconds: number) => (milliseconds / 1_000).toFixed(2).padStart(6)

/** Prints all waits by fault, and returns whether all are within their limits. */
const print = (): boolean => {
  let isGood = true
  const groups = Map.groupBy(results, ({ fault, measured }) => `${fault}: ${measured}`)
  console.log(`\n${"".padEnd(58)}    n    min median    max  limit s  answers that were errors`)
  for (const [name, group] of groups) {
    const sorted = group.map(({ milliseconds }) => milliseconds).toSorted((one, other) => one - other)
    const limit = group[0]?.limitMilliseconds ?? 0
    const max = sorted.at(-1) ?? Number.NaN
    const errors: Record<string, number> = {}
    for (const one of group) {
      for (const [status, count] of Object.entries(one.errors)) errors[status] = (errors[status] ?? 0) + count
    }
    const isAbove = !(max <= limit)
    if (isAbove) isGood = false
    const figures = [sorted[0] ?? Number.NaN, sorted[sorted.length >> 1] ?? Number.NaN, max, limit]
      .map(seconds)
      .join(" ")
    console.log(
      `${name.padEnd(58)} ${String(sorted.length).padStart(4)} ${figures}${isAbove ? " ABOVE" : ""}  ${JSON.stringify(errors)}`
    )
  }
  return isGood
}

const reportRound = ({ led, perSecond, appliedAfter, troubles, restartedAfter }: LoseTwoRound) => {
  const time = new Date().toISOString().slice(11, 19)
  const told = `${time} the leader of ${led} was left, at ${Math.round(perSecond)} purchases a second:`
  if (appliedAfter !== undefined)
    return console.log(`${told} all applied ${seconds(appliedAfter)} s after both were back`)
  console.log(`${told} STUCK for ${seconds(appliedWithinMilliseconds)} s`)
  console.log(troubles.length === 0 ? "  every edge called itself ready" : `  the edges said: ${troubles.join("; ")}`)
  const helped = restartedAfter === undefined ? "NOT all applied" : `all applied ${seconds(restartedAfter)} s`
  console.log(`  ${helped} after the survivor was started again`)
}

/** Causes the faults that the options ask for. Returns whether all waits were within their limits. */
const bringAbout = async (installation: Installation): Promise<boolean> => {
  if (values["lose-two"]) {
    const rounds = await loseTwo(installation, Number(values.rounds), reportRound)
    return rounds.every(isRoundGood)
  }
  const each = async (count: string, fault: (number: number) => Promise<void>) => {
    for (let number = 0; number < Number(count); number += 1) await fault(number)
  }
  await each(values.broker, (number) => killLeader(installation, number))
  await each(values.worker, (number) => endWorker(installation, number, "SIGKILL"))
  await each(values.drain, (number) => endWorker(installation, number, "SIGTERM"))
  await each(values.majority, (number) => killTwo(installation, number))
  return print()
}

const run = async (): Promise<boolean> => {
  const installation = await Installation.start()
  try {
    const isGood = await bringAbout(installation)
    const mistakes = await installation.mistakes()
    for (const mistake of mistakes) console.log(mistake)
    const { traffic, pressure } = installation
    const acknowledged = traffic.log.acknowledged + (pressure?.log.acknowledged ?? 0)
    console.log(`${acknowledged} purchases acknowledged, ${mistakes.length} mistakes`)
    return isGood && mistakes.length === 0
  } finally {
    if (values.output) console.log(installation.output())
    await installation.stop()
  }
}

if (values.help) console.log(usage)
else process.exitCode = (await run()) ? 0 : 1
