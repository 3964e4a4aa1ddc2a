import { fileURLToPath } from "node:url"
import { untilApplied } from "../Applied.ts"
import type { Case } from "../Case.ts"
import type { LinesMessage, LinesOrder } from "../lines.ts"
import { countProcessorTime } from "../ProcessorTime.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"
import { repeatEveryUsual } from "../Workload.ts"

const bodies = 4
const warmUp = 100_000
const measured = 1_000_000
const workload = { purchases: warmUp + measured, users: 1_000, repeatEvery: repeatEveryUsual }

/**
 * Measures purchases that are lines of a few HTTP bodies, until the last commit. The lines are sent as fast as the edge
 * takes them, and are made before the measurement.
 */
export const lines: Case = {
  name: "lines",
  about: "lines of a few bodies over HTTP to the last commit, 1,000 users, 5 % repeats",
  isLong: false,
  run: async ({ startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    const { edge, worker, broker, edgeUrl } = system
    const script = fileURLToPath(new URL("../lines.ts", import.meta.url))
    const load = system.spawn("lines", script)

    const send = async (from: number, to: number) => {
      const prepared = load.message<LinesMessage, "prepared">("prepared")
      load.send({ edgeUrl, workload, bodies, from, to } satisfies LinesOrder)
      await prepared
      const done = load.message<LinesMessage, "done">("done", (message) => {
        if (message.kind === "progress") progress.show(`answered ${message.answered.toLocaleString("en")}`)
      })
      const spentSince = countProcessorTime({ load, edge, worker, broker })
      const began = performance.now()
      load.send({})
      const { answered, failures } = await done
      const storedMilliseconds = performance.now() - began
      await untilApplied(system)
      const appliedMilliseconds = performance.now() - began
      const wrong = answered === to - from ? failures : [...failures, `${answered} of ${to - from} lines were answered`]
      return { storedMilliseconds, appliedMilliseconds, spent: spentSince(to - from), wrong }
    }

    progress.show("warming up")
    const first = await send(0, warmUp)
    const { storedMilliseconds, appliedMilliseconds, spent, wrong } = await send(warmUp, workload.purchases)
    progress.show("reading every total")
    return {
      measurements: [{ name: "lines", unit: "purchases/s", value: measured / (appliedMilliseconds / 1_000), spent }],
      wrong: [...first.wrong, ...wrong, ...(await wrongLedger(system, totalsOfWorkload(workload)))],
      notes: [`all stored after ${seconds(storedMilliseconds)}, all applied after ${seconds(appliedMilliseconds)}`]
    }
  }
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`
