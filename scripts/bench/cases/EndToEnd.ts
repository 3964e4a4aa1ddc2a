import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput, Measurement } from "../Case.ts"
import { bytesPerMebibyte, processMemory } from "../ProcessMemory.ts"
import { storeUse } from "../StoreUse.ts"
import { throughput } from "../Throughput.ts"
import { totalsOfWorkload, wrongFloor, wrongLedger } from "../Totals.ts"
import { repeatEveryUsual, type Workload } from "../Workload.ts"

interface EndToEndOptions {
  readonly name: string
  readonly about: string
  readonly isLong?: boolean
  readonly users: number
  readonly spread?: Workload["spread"]
  /**
   * The most accounts that the system and its floor keep in memory. If `residentMax` is missing, the system and the
   * floor use their defaults.
   */
  readonly residentMax?: number
  /** The number of workers of the system; 1 by default. The floor always has one worker. */
  readonly workers?: number
  /** The number of purchases that are sent before the measurement, so that the processes compile their code. */
  readonly warmUp: number
  /** The number of purchases that are measured. */
  readonly measured: number
  readonly showsMemory?: boolean
}

/** Runs the same workload through the floor, on a broker of its own. */
const runFloor = async (
  { startFloor, progress }: CaseInput,
  { residentMax }: EndToEndOptions,
  workload: Workload,
  warmUp: number
) => {
  const floor = await startFloor(residentMax === undefined ? {} : { residentMax })
  progress.show("floor: warming up")
  await throughput(floor, { workload, from: 0, to: warmUp }, progress)
  const figures = await throughput(floor, { workload, from: warmUp, to: workload.purchases }, progress)
  const wrong = await wrongFloor(floor, totalsOfWorkload(workload))
  await floor.stop()
  return { figures, wrong }
}

const runSystem = async (
  { startSystem, progress }: CaseInput,
  { name, showsMemory = false, residentMax, workers = 1 }: EndToEndOptions,
  workload: Workload,
  warmUp: number
) => {
  const settings = residentMax === undefined ? {} : { ACTORS_RESIDENT_MAX: String(residentMax) }
  const system = await startSystem({ usesEdge: false, settings, workers })
  const publisher = await system.startPublisher()
  const line = {
    publisher,
    workers: system.workers,
    broker: system.broker,
    partitions: system.partitions
  }
  const brokerBefore = processMemory(system.broker.pid).resident
  progress.show("warming up")
  await throughput(line, { workload, from: 0, to: warmUp }, progress)
  const figures = await throughput(line, { workload, from: warmUp, to: workload.purchases }, progress)
  const memory: Array<Measurement> = []
  if (showsMemory) {
    const [worker, broker] = [system.worker, system.broker].map(({ pid }) => processMemory(pid).resident)
    memory.push(
      { name: `${name} memory of the worker`, unit: "MiB", value: (worker ?? 0) / bytesPerMebibyte },
      { name: `${name} memory of the broker`, unit: "MiB", value: (broker ?? 0) / bytesPerMebibyte },
      { name: `${name} broker's memory a user`, unit: "bytes", value: ((broker ?? 0) - brokerBefore) / workload.users }
    )
  }
  const { ledgerBytes } = await storeUse(system.broker.url)
  progress.show("reading every total")
  const wrong = await wrongLedger(system, totalsOfWorkload(workload))
  await system.stop()
  return { figures, memory, ledgerBytes, wrong }
}

/**
 * Makes a case that measures the time from a publisher's first purchase to the last commit, with a bounded number of
 * purchases in flight. The floor gets the same purchases before or after the system. Repeats count as purchases,
 * because each repeat has to be stored, recognised and dropped.
 */
const endToEndCase = (options: EndToEndOptions): Case => ({
  name: options.name,
  about: options.about,
  isLong: options.isLong ?? false,
  run: async (input) => {
    const { name, users, spread = "uniform", warmUp, measured } = options
    const workload: Workload = { purchases: warmUp + measured, users, spread, repeatEvery: repeatEveryUsual }
    const { system, floor } = await besideFloor(
      input,
      () => runSystem(input, options, workload, warmUp),
      () => runFloor(input, options, workload, warmUp)
    )
    const { perSecond, publishedMilliseconds, appliedMilliseconds, spent } = system.figures
    return {
      measurements: [
        { name, unit: "purchases/s", value: perSecond, spent },
        { name: `${name} floor`, unit: "purchases/s", value: floor.figures.perSecond, spent: floor.figures.spent },
        {
          name: `${name} ledger on disk`,
          unit: "bytes/purchase",
          value: system.ledgerBytes / workload.purchases
        },
        { name: `${name} of its floor`, unit: "ratio", value: perSecond / floor.figures.perSecond },
        ...system.memory
      ],
      wrong: [...system.wrong, ...floor.wrong],
      notes: [`all stored after ${seconds(publishedMilliseconds)}, all applied after ${seconds(appliedMilliseconds)}`]
    }
  }
})

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`

export const endToEndCases: ReadonlyArray<Case> = [
  endToEndCase({
    name: "end-to-end",
    about: "grouped publish to the last commit, 1,000 users, 5 % repeats; and the floor",
    users: 1_000,
    warmUp: 50_000,
    measured: 500_000
  }),
  endToEndCase({
    name: "end-to-end-100k",
    about: "the same with 100,000 users",
    users: 100_000,
    warmUp: 20_000,
    measured: 250_000
  }),
  endToEndCase({
    name: "hot-user",
    about: "the same with one user",
    users: 1,
    warmUp: 20_000,
    measured: 200_000
  }),
  endToEndCase({
    name: "end-to-end-1m",
    about: "the same with 1,000,000 users and as many purchases; and memory",
    isLong: true,
    users: 1_000_000,
    warmUp: 50_000,
    measured: 1_000_000,
    showsMemory: true
  }),
  endToEndCase({
    name: "end-to-end-zipf",
    about: "the same with 1,000,000 users by Zipf's law with the exponent 1",
    isLong: true,
    users: 1_000_000,
    spread: "zipf",
    warmUp: 50_000,
    measured: 1_000_000
  }),
  endToEndCase({
    name: "cold",
    about: "the same with 1,000,000 users of which 20,000 stay in memory",
    isLong: true,
    users: 1_000_000,
    residentMax: 20_000,
    warmUp: 100_000,
    measured: 1_000_000
  }),
  ...[
    { name: "warm-1k", users: 1_000 },
    { name: "warm-100k", users: 100_000 },
    { name: "warm-1m", users: 1_000_000 }
  ].map((of) =>
    endToEndCase({
      ...of,
      about: `the same with ${of.users.toLocaleString("en")} users and two workers, after half a million: as the Kafka Streams peer is measured, which has two threads`,
      workers: 2,
      isLong: true,
      warmUp: 500_000,
      measured: 1_000_000
    })
  )
]
