import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput, Measurement } from "../Case.ts"
import { loadHttpFloor } from "../HttpFloor.ts"
import type { Latency } from "../Latency.ts"
import { LoadProcess } from "../LoadProcess.ts"
import type { Spent } from "../ProcessorTime.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const perSecond = 1_000
const readsBesidePerSecond = 200
/** So long the processes compile what they run: after 6 s the slowest of a hundred posts still took twice as long. */
const warmUpSeconds = 30
const measuredSeconds = 6
const warmUp = perSecond * warmUpSeconds
const measured = perSecond * measuredSeconds
const workload = { purchases: warmUp + 2 * measured, users: 1_000, repeatEvery: 0 }

/** Until when a post is waited for. */
type Until = "stored" | "applied"

const pace = { perSecond }
const posts = (from: number, count: number, until: Until) => ({ from, to: from + count, pace, until })
const reads = (rate: number, seconds: number) => ({ count: rate * seconds, pace: { perSecond: rate } })

const latencies = (name: string, { p50, p99 }: Latency, spent?: Spent): Array<Measurement> => [
  { name: `${name} p50`, unit: "ms", value: p50, ...(spent === undefined ? {} : { spent }) },
  { name: `${name} p99`, unit: "ms", value: p99 }
]

/** Warms up, and then posts and reads, each alone. */
const measureAlone = async (load: LoadProcess, until: Until) => {
  const warmedUp = await load.run({
    workload,
    posts: posts(0, warmUp, until),
    reads: reads(readsBesidePerSecond, warmUpSeconds)
  })
  const posting = await load.run({ workload, posts: posts(warmUp, measured, until) })
  const reading = await load.run({ workload, reads: reads(perSecond, measuredSeconds) })
  return { posting, reading, all: [warmedUp, posting, reading] }
}

const runSystem = async ({ startSystem, progress }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  const load = new LoadProcess(system, progress)
  const alone = await measureAlone(load, "applied")
  const both = await load.run({
    workload,
    posts: posts(warmUp + measured, measured, "applied"),
    reads: reads(readsBesidePerSecond, measuredSeconds)
  })
  progress.show("reading every total")
  const wrongTotals = await wrongLedger(system, totalsOfWorkload(workload))
  await system.stop()
  const all = [...alone.all, both]
  return { ...alone, both, all, wrong: [...all.flatMap(({ wrong }) => wrong), ...wrongTotals] }
}

/** The same requests to the bare HTTP, which answers at once: what of a latency is the machine and the load. */
const runFloor = async (load: LoadProcess) => {
  const alone = await measureAlone(load, "stored")
  return { ...alone, wrong: alone.all.flatMap(({ wrong }) => wrong) }
}

/**
 * Requests when they are due, whatever became of earlier ones: purchases, each answered when it is applied; strong
 * reads of totals; then purchases with some reads beside them, of which the processor time is one figure. The bare HTTP
 * answers the first two.
 */
export const requests: Case = {
  name: "requests",
  about: `latencies in an open loop: ${perSecond} posts/s until applied, ${perSecond} strong reads/s, posts and ${readsBesidePerSecond} reads/s; and bare HTTP`,
  isLong: false,
  run: async (input) => {
    const { system, floor } = await besideFloor(
      input,
      () => runSystem(input),
      () => loadHttpFloor(input, runFloor)
    )
    const { all, posting, reading, both } = system
    return {
      measurements: [
        ...latencies("post-wait", posting.posts, posting.spent),
        ...latencies("read-total", reading.reads, reading.spent),
        ...latencies("post-wait beside reads", both.posts, both.spent),
        ...latencies("read-total beside posts", both.reads),
        ...latencies("post floor", floor.posting.posts, floor.posting.spent),
        ...latencies("read floor", floor.reading.reads, floor.reading.spent)
      ],
      wrong: [...system.wrong, ...floor.wrong],
      notes: [
        `the slowest post took ${posting.posts.max.toFixed(1)} ms, the slowest read ${reading.reads.max.toFixed(1)} ms; ` +
          `${all.reduce((sum, { resent }) => sum + resent, 0)} requests were sent again on another connection`
      ]
    }
  }
}
