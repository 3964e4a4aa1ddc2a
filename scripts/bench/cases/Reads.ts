import type { Case } from "../Case.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { fill } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
const warmUp = 20_000
const measured = 60_000
const workload = { purchases: 100_000, users: 1_000, repeatEvery: 0 }

/** Strong reads of totals, each on the heels of an answer, on a ledger where nothing is written meanwhile. */
export const reads: Case = {
  name: "reads",
  about: `strong reads of totals over ${atOnce} kept connections, closed loop`,
  isLong: false,
  run: async ({ startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    await fill(system, workload, progress)
    const load = new LoadProcess(system, progress)
    const first = await load.run({ workload, reads: { count: warmUp, pace: { atOnce } } })
    const { milliseconds, spent, wrong } = await load.run({ workload, reads: { count: measured, pace: { atOnce } } })
    return {
      measurements: [{ name: "reads", unit: "reads/s", value: measured / (milliseconds / 1_000), spent }],
      wrong: [...first.wrong, ...wrong, ...(await wrongLedger(system, totalsOfWorkload(workload)))],
      notes: []
    }
  }
}
