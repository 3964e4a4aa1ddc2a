import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput } from "../Case.ts"
import { loadHttpFloor } from "../HttpFloor.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { fill } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
const warmUp = 20_000
const measured = 60_000
const workload = { purchases: 100_000, users: 1_000, repeatEvery: 0 }

const readTotals = async (load: LoadProcess) => {
  const first = await load.run({ workload, reads: { count: warmUp, pace: { atOnce } } })
  const second = await load.run({ workload, reads: { count: measured, pace: { atOnce } } })
  return { ...second, wrong: [...first.wrong, ...second.wrong] }
}

const runSystem = async ({ startSystem, progress }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  await fill(system, workload, progress)
  const figures = await readTotals(new LoadProcess(system, progress))
  const wrong = await wrongLedger(system, totalsOfWorkload(workload))
  await system.stop()
  return { ...figures, wrong: [...figures.wrong, ...wrong] }
}

/** Measures strong reads of totals in a closed loop, on a ledger without writes. */
export const reads: Case = {
  name: "reads",
  about: `strong reads of totals over ${atOnce} kept connections, closed loop; and bare HTTP`,
  isLong: false,
  run: async (input) => {
    const { system, floor } = await besideFloor(
      input,
      () => runSystem(input),
      () => loadHttpFloor(input, readTotals)
    )
    const perSecond = (milliseconds: number) => measured / (milliseconds / 1_000)
    return {
      measurements: [
        { name: "reads", unit: "reads/s", value: perSecond(system.milliseconds), spent: system.spent },
        { name: "reads floor", unit: "reads/s", value: perSecond(floor.milliseconds), spent: floor.spent },
        { name: "reads of their floor", unit: "ratio", value: floor.milliseconds / system.milliseconds }
      ],
      wrong: [...system.wrong, ...floor.wrong],
      notes: []
    }
  }
}
