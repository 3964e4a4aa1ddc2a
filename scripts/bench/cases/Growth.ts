import { besideFloor } from "../BesideFloor.ts"
import type { Case, Measurement } from "../Case.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { processMemory } from "../ProcessMemory.ts"
import { storeUse } from "../StoreUse.ts"
import type { System } from "../System.ts"
import { throughput } from "../Throughput.ts"
import { totalsOfWorkload, wrongFloor, wrongLedger } from "../Totals.ts"

const users = 10_000
/** The number of purchases that one measurement adds to the stored purchases. */
const measured = 100_000
const readsMeasured = 30_000
const readsAtOnce = 256
/** The number of rounds of repeats on the empty ledger, in which the processes compile their code. */
const warmUpRounds = 8

/** The rates of the system and of the floor at one size of the ledger. */
interface Rates {
  readonly perSecond: number
  readonly readsPerSecond: number
  readonly floorPerSecond: number
}

/** The bytes that the input log and the journal take on disk, and the bytes of the broker's memory. */
interface Kept {
  readonly inputBytes: number
  readonly ledgerBytes: number
  readonly brokerMemory: number
}

const keptBy = async ({ broker }: System): Promise<Kept> => ({
  ...(await storeUse(broker.url)),
  brokerMemory: processMemory(broker.pid).resident
})

const keptEach = (label: string, from: Kept, to: Kept, purchases: number): Array<Measurement> =>
  (
    [
      ["input log", "inputBytes"],
      ["ledger", "ledgerBytes"],
      ["broker's memory", "brokerMemory"]
    ] as const
  ).map(([name, kind]) => ({
    name: `${label} ${name}`,
    unit: "bytes/purchase",
    value: (to[kind] - from[kind]) / purchases
  }))

/** Returns the rates at one size of the ledger as measurements, with their processor times. */
const measurementsOf = (
  label: string,
  rates: Rates,
  { system, floor }: Record<"system" | "floor", Awaited<ReturnType<typeof throughput>>>
): Array<Measurement> => [
  { name: `${label} end to end`, unit: "purchases/s", value: rates.perSecond, spent: system.spent },
  { name: `${label} floor`, unit: "purchases/s", value: rates.floorPerSecond, spent: floor.spent },
  { name: `${label} of its floor`, unit: "ratio", value: rates.perSecond / rates.floorPerSecond },
  { name: `${label} strong reads`, unit: "reads/s", value: rates.readsPerSecond }
]

/** Returns the ratios of the rates at one size of the ledger to the rates at the first size. */
const ofTheFirst = (label: string, rates: Rates, first: Rates): Array<Measurement> =>
  (
    [
      ["end to end", "perSecond"],
      ["floor", "floorPerSecond"],
      ["strong reads", "readsPerSecond"]
    ] as const
  ).map(([name, kind]) => ({ name: `${label} ${name}, of the first`, unit: "ratio", value: rates[kind] / first[kind] }))

/** Subtracts the bytes of the warm-up from a comparison, because the warm-up has only repeats. */
const withoutWarmUp = (empty: Kept, before: Kept, after: Kept): Kept => ({
  ...empty,
  inputBytes: empty.inputBytes + after.inputBytes - before.inputBytes,
  ledgerBytes: empty.ledgerBytes + after.ledgerBytes - before.ledgerBytes
})

/**
 * Makes a case that measures the same work on a ledger with more and more purchases. The cost of the work must not
 * depend on the number of stored purchases. The floor stores the same purchases on its own broker. The floor is
 * measured at each size directly before or after the system.
 */
const growthCase = (name: string, about: string, sizes: ReadonlyArray<number>): Case => ({
  name,
  about,
  isLong: true,
  run: async (input) => {
    const { startSystem, startFloor, progress } = input
    const workload = { purchases: (sizes.at(-1) ?? 0) + measured, users, repeatEvery: 0 }
    const totals = totalsOfWorkload(workload)
    const system = await startSystem({ usesEdge: true })
    const floor = await startFloor({})
    const { workers, broker, partitions } = system
    const line = { publisher: await system.startPublisher(), workers, broker, partitions }
    const load = new LoadProcess(system, progress)
    const measurements: Array<Measurement> = []
    const wrong: Array<string> = []
    const read = async () => {
      const loaded = await load.run({ workload, reads: { count: readsMeasured, pace: { atOnce: readsAtOnce } } })
      wrong.push(...loaded.wrong)
      return readsMeasured / (loaded.milliseconds / 1_000)
    }
    const warmUp = async (to: number) => {
      progress.show("warming up")
      for (let round = 0; round < warmUpRounds; round += 1) {
        for (const one of [line, floor]) {
          await throughput(one, { workload, from: 0, to, storeEveryCopy: true }, progress)
        }
      }
      await read()
    }
    let empty = await keptBy(system)
    let stored = 0
    let first: Rates | undefined
    for (const size of sizes) {
      // The measurement at the previous size may have stored more purchases than this size already.
      const from = Math.max(size, stored)
      if (from > stored) {
        for (const one of [line, floor]) await throughput(one, { workload, from: stored, to: from }, progress)
      }
      const label = `growth, ${from.toLocaleString("en")} stored:`
      const kept = await keptBy(system)
      measurements.push(...keptEach(label, empty, kept, from))
      if (first === undefined) {
        await warmUp(from)
        empty = withoutWarmUp(empty, kept, await keptBy(system))
      }
      const order = { workload, from, to: from + measured }
      const figures = await besideFloor(
        input,
        () => throughput(line, order, progress),
        () => throughput(floor, order, progress)
      )
      stored = order.to
      const rates = {
        perSecond: figures.system.perSecond,
        readsPerSecond: await read(),
        floorPerSecond: figures.floor.perSecond
      }
      measurements.push(...measurementsOf(label, rates, figures))
      if (first !== undefined) measurements.push(...ofTheFirst(label, rates, first))
      first ??= rates
    }
    progress.show("reading every total")
    wrong.push(...(await wrongLedger(system, totals)), ...(await wrongFloor(floor, totals)))
    return { measurements, wrong, notes: [] }
  }
})

export const growthCases: ReadonlyArray<Case> = [
  growthCase(
    "growth",
    "the same work with 10 thousand to 1 million purchases stored, 10,000 users; the floor beside; bytes a purchase",
    [10_000, 100_000, 1_000_000]
  ),
  growthCase(
    "growth-10m",
    "growth up to 10 million purchases: some 8 GB of disk a run",
    [10_000, 100_000, 1_000_000, 10_000_000]
  )
]
