import type { Case, CaseInput } from "../Case.ts"
import { LoadProcess, type Served } from "../LoadProcess.ts"
import { fill } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
const warmUp = 20_000
const measured = 60_000
const workload = { purchases: 100_000, users: 1_000, repeatEvery: 0 }

const readTotals = async (served: Served, { progress }: CaseInput) => {
  const load = new LoadProcess(served, progress)
  const first = await load.run({ workload, reads: { count: warmUp, pace: { atOnce } } })
  const second = await load.run({ workload, reads: { count: measured, pace: { atOnce } } })
  return { ...second, wrong: [...first.wrong, ...second.wrong] }
}

/** The same reads of the bare HTTP. */
const runFloor = async (input: CaseInput) => {
  const floor = await input.startHttpFloor()
  const figures = await readTotals(floor, input)
  await floor.stop()
  return figures
}

/** Strong reads of totals, each on the heels of an answer, on a ledger where nothing is written meanwhile. */
export const reads: Case = {
  name: "reads",
  about: `strong reads of totals over ${atOnce} kept connections, closed loop; and bare HTTP`,
  isLong: false,
  run: async (input) => {
    const floorFirst = input.run % 2 === 1 ? await runFloor(input) : undefined
    const system = await input.startSystem({ usesEdge: true })
    await fill(system, workload, input.progress)
    const figures = await readTotals(system, input)
    const wrong = await wrongLedger(system, totalsOfWorkload(workload))
    await system.stop()
    const floor = floorFirst ?? (await runFloor(input))
    const perSecond = (milliseconds: number) => measured / (milliseconds / 1_000)
    return {
      measurements: [
        { name: "reads", unit: "reads/s", value: perSecond(figures.milliseconds), spent: figures.spent },
        { name: "reads floor", unit: "reads/s", value: perSecond(floor.milliseconds), spent: floor.spent },
        { name: "reads of their floor", unit: "ratio", value: floor.milliseconds / figures.milliseconds }
      ],
      wrong: [...figures.wrong, ...floor.wrong, ...wrong],
      notes: []
    }
  }
}
