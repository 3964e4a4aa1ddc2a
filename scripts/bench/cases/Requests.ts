import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput, Measurement } from "../Case.ts"
import type { Latency } from "../Latency.ts"
import { LoadProcess, type Served } from "../LoadProcess.ts"
import type { Spent } from "../ProcessorTime.ts"
import type { Progress } from "../Progress.ts"
import { totalsOfWorkload, wrongFloor, wrongLedger, wrongTotals } from "../Totals.ts"

const perSecond = 1_000
const readsBesidePerSecond = 200
/** So long the processes compile what they run: after 6 s the slowest of a hundred posts still took twice as long. */
const warmUpSeconds = 30
const measuredSeconds = 6
const workload = { purchases: perSecond * (warmUpSeconds + 2 * measuredSeconds), users: 1_000, repeatEvery: 0 }

/** Posts of so many seconds from a place in the workload, each until it is applied. */
const posts = (from: number, seconds: number) => ({
  from,
  to: from + perSecond * seconds,
  pace: { perSecond },
  until: "applied" as const
})
const reads = (rate: number, seconds: number) => ({ count: rate * seconds, pace: { perSecond: rate } })
const both = (from: number, seconds: number) => ({
  workload,
  posts: posts(from, seconds),
  reads: reads(readsBesidePerSecond, seconds)
})

const latencies = (name: string, { p50, p99 }: Latency, spent?: Spent): Array<Measurement> => [
  { name: `${name} p50`, unit: "ms", value: p50, ...(spent === undefined ? {} : { spent }) },
  { name: `${name} p99`, unit: "ms", value: p99 }
]

/** Warms up; then posts and reads, each alone; then posts with some reads beside them. */
const measure = async (served: Served, progress: Progress) => {
  const load = new LoadProcess(served, progress)
  const alone = posts(perSecond * warmUpSeconds, measuredSeconds)
  const warmedUp = await load.run(both(0, warmUpSeconds))
  const posting = await load.run({ workload, posts: alone })
  const reading = await load.run({ workload, reads: reads(perSecond, measuredSeconds) })
  const together = await load.run(both(alone.to, measuredSeconds))
  const all = [warmedUp, posting, reading, together]
  const resent = all.reduce((sum, { resent }) => sum + resent, 0)
  return { posting, reading, together, resent, wrong: all.flatMap(({ wrong }) => wrong) }
}

/** The measurements of one of the two, by the end of their names. */
const measurementsOf = ({ posting, reading, together }: Awaited<ReturnType<typeof measure>>, of: string) => [
  ...latencies(`post-wait${of}`, posting.posts, posting.spent),
  ...latencies(`read-total${of}`, reading.reads, reading.spent),
  ...latencies(`post-wait beside reads${of}`, together.posts, together.spent),
  ...latencies(`read-total beside posts${of}`, together.reads)
]

const runSystem = async ({ startSystem, progress }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  const measured = await measure(system, progress)
  progress.show("reading every total")
  const wrong = [...measured.wrong, ...(await wrongLedger(system, totalsOfWorkload(workload)))]
  await system.stop()
  return { ...measured, wrong }
}

/** The same requests to the bare protocol: what of a latency is the broker, the machine and the load. */
const runFloor = async ({ startRequestFloor, progress }: CaseInput) => {
  const floor = await startRequestFloor()
  const measured = await measure(floor, progress)
  progress.show("reading every total of the floor")
  const totals = totalsOfWorkload(workload)
  const answered = [...measured.wrong, ...(await wrongTotals(floor.edgeUrl, totals))]
  const wrong = [...answered.map((problem) => `floor: ${problem}`), ...(await wrongFloor(floor, totals))]
  await floor.stop()
  return { ...measured, wrong }
}

/**
 * Requests when they are due, whatever became of earlier ones: purchases, each answered when it is applied; strong
 * reads of totals; then purchases with some reads beside them, of which the processor time is one figure. The bare
 * protocol answers the same.
 */
export const requests: Case = {
  name: "requests",
  about: `latencies in an open loop: ${perSecond} posts/s until applied, ${perSecond} strong reads/s, posts and ${readsBesidePerSecond} reads/s; and the bare protocol`,
  isLong: false,
  run: async (input) => {
    const { system, floor } = await besideFloor(
      input,
      () => runSystem(input),
      () => runFloor(input)
    )
    const { posting, reading, resent } = system
    return {
      measurements: [
        ...measurementsOf(system, ""),
        ...measurementsOf(floor, " floor"),
        {
          name: "read-total beside posts p99 of the floor's",
          unit: "ratio",
          value: system.together.reads.p99 / floor.together.reads.p99
        }
      ],
      wrong: [...system.wrong, ...floor.wrong],
      notes: [
        `the slowest post took ${posting.posts.max.toFixed(1)} ms, the slowest read ${reading.reads.max.toFixed(1)} ms; ` +
          `${resent} requests were sent again on another connection, ${floor.resent} to the floor`
      ]
    }
  }
}
