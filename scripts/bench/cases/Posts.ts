import { untilApplied } from "../Applied.ts"
import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput } from "../Case.ts"
import { loadHttpFloor } from "../HttpFloor.ts"
import { latencyOf } from "../Latency.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
const warmUp = 20_000
const measured = 60_000
const workload = { purchases: warmUp + 2 * measured, users: 1_000, repeatEvery: 0 }

/** Sends the posts of the case to the floor of HTTP. */
const runFloor = async (load: LoadProcess) => {
  const pace = { atOnce }
  const first = await load.run({ workload, posts: { from: 0, to: warmUp, pace, until: "stored" } })
  const second = await load.run({ workload, posts: { from: warmUp, to: warmUp + measured, pace, until: "stored" } })
  return { ...second, wrong: [...first.wrong, ...second.wrong] }
}

const runSystem = async ({ startSystem, progress }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  const load = new LoadProcess(system, progress)
  const pace = { atOnce }
  const first = await load.run({ workload, posts: { from: 0, to: warmUp, pace, until: "applied" } })
  const middle = warmUp + measured
  const stored = await load.run({ workload, posts: { from: warmUp, to: middle, pace, until: "stored" } })
  const answered = performance.now()
  await untilApplied(system)
  const storedMilliseconds = stored.milliseconds + (performance.now() - answered)
  const applied = await load.run({ workload, posts: { from: middle, to: workload.purchases, pace, until: "applied" } })
  progress.show("reading every total")
  const wrongTotals = await wrongLedger(system, totalsOfWorkload(workload))
  await system.stop()
  const wrong = [...[first, stored, applied].flatMap((load) => load.wrong), ...wrongTotals]
  return { stored, storedMilliseconds, applied, wrong }
}

/**
 * Measures single posts in a closed loop. The posts of the first measurement are answered when their purchases are
 * stored, and the measurement ends when all are applied. The posts of the second measurement are answered when their
 * purchases are applied.
 */
export const posts: Case = {
  name: "posts",
  about: `single POSTs over ${atOnce} kept connections, closed loop, until stored and all applied; until each is applied; and bare HTTP`,
  isLong: false,
  run: async (input) => {
    const { system, floor } = await besideFloor(
      input,
      () => runSystem(input),
      () => loadHttpFloor(input, runFloor)
    )
    const { stored, storedMilliseconds, applied } = system
    const perSecond = (milliseconds: number) => measured / (milliseconds / 1_000)
    const [untilStored, untilAnswered] = [latencyOf(stored.posts), latencyOf(applied.posts)]
    return {
      measurements: [
        { name: "posts", unit: "purchases/s", value: perSecond(storedMilliseconds), spent: stored.spent },
        {
          name: "posts, each waited for",
          unit: "purchases/s",
          value: perSecond(applied.milliseconds),
          spent: applied.spent
        },
        { name: "posts floor", unit: "purchases/s", value: perSecond(floor.milliseconds), spent: floor.spent },
        { name: "posts of their floor", unit: "ratio", value: floor.milliseconds / storedMilliseconds }
      ],
      wrong: [...system.wrong, ...floor.wrong],
      notes: [
        `of ${atOnce} at once, p50 and p99 were ` +
          `${untilStored.p50.toFixed(1)} and ${untilStored.p99.toFixed(1)} ms until stored, ` +
          `${untilAnswered.p50.toFixed(1)} and ${untilAnswered.p99.toFixed(1)} ms until applied`
      ]
    }
  }
}
