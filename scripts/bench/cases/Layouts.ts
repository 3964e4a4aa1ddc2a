import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { journalStream, ledgerStream } from "../../../src/domain/Subject.ts"
import { besideFloor } from "../BesideFloor.ts"
import type { Case, CaseInput, Measurement } from "../Case.ts"
import type { Floor, FloorOptions } from "../Floor.ts"
import { bytesPerMebibyte, processMemory } from "../ProcessMemory.ts"
import { throughput, type Throughput } from "../Throughput.ts"
import { totalsOfWorkload, wrongFloor } from "../Totals.ts"
import { repeatEveryUsual, type Workload } from "../Workload.ts"

interface Ran {
  readonly figures: Throughput
  readonly memory: ReadonlyArray<readonly [name: string, bytes: number]>
  readonly ledgerBytes: number
  readonly wrong: ReadonlyArray<string>
}

interface LayoutCaseOptions {
  readonly name: string
  readonly about: string
  readonly users: number
  readonly warmUp: number
  readonly measured: number
  /** What is compared with the layout of atomic batches. */
  readonly chain?: Omit<FloorOptions, "layout">
  /** Also of the batches: the number of replicas. */
  readonly replicas?: number
}

const ledgerStreams = { batches: ledgerStream, chain: journalStream } as const

/** The bytes of the ledger's files, as they are on disk. */
const ledgerBytesOf = ({ broker, layout }: Floor): number => {
  const files = join(broker.directory, "nats/jetstream/$G/streams", ledgerStreams[layout])
  const names = readdirSync(files, { recursive: true, encoding: "utf8" })
  return names.reduce((bytes, name) => bytes + statSync(join(files, name)).size, 0)
}

const runFloor = async (
  { startFloor, progress }: CaseInput,
  workload: Workload,
  warmUp: number,
  options: FloorOptions
): Promise<Ran> => {
  const floor = await startFloor(options)
  progress.show(`${options.layout}: warming up`)
  await throughput(floor, { workload, from: 0, to: warmUp }, progress)
  const figures = await throughput(floor, { workload, from: warmUp, to: workload.purchases }, progress)
  const memory = [
    ["worker", processMemory(floor.worker.pid).resident],
    ["broker", processMemory(floor.broker.pid).resident]
  ] as const
  const ledgerBytes = ledgerBytesOf(floor)
  progress.show(`${options.layout}: reading every total`)
  const wrong = await wrongFloor(floor, totalsOfWorkload(workload))
  await floor.stop()
  return { figures, memory, ledgerBytes, wrong }
}

const measurementsOf = (name: string, workload: Workload, ran: Ran): Array<Measurement> => [
  { name, unit: "purchases/s", value: ran.figures.perSecond, spent: ran.figures.spent },
  { name: `${name}, the ledger on disk`, unit: "bytes/purchase", value: ran.ledgerBytes / workload.purchases },
  ...ran.memory.map(([process, bytes]) => ({
    name: `${name}, memory of the ${process}`,
    unit: "MiB",
    value: bytes / bytesPerMebibyte
  }))
]

/** The bare protocol on the commit chain, and with a message an account in atomic batches, one after the other. */
const layoutCase = ({ name, about, users, warmUp, measured, chain = {}, replicas = 1 }: LayoutCaseOptions): Case => ({
  name,
  about,
  isLong: true,
  run: async (input) => {
    const workload: Workload = { purchases: warmUp + measured, users, repeatEvery: repeatEveryUsual }
    const { system: onChain, floor: inBatches } = await besideFloor(
      input,
      () => runFloor(input, workload, warmUp, { layout: "chain", replicas, ...chain }),
      () => runFloor(input, workload, warmUp, { layout: "batches", replicas })
    )
    return {
      measurements: [
        ...measurementsOf(`${name} chain`, workload, onChain),
        ...measurementsOf(`${name} batches`, workload, inBatches),
        {
          name: `${name} chain to batches`,
          unit: "ratio",
          value: onChain.figures.perSecond / inBatches.figures.perSecond
        }
      ],
      wrong: [...onChain.wrong, ...inBatches.wrong],
      notes: []
    }
  }
})

const thousand = { users: 1_000, warmUp: 100_000, measured: 500_000 } as const
const hundredThousand = { users: 100_000, warmUp: 100_000, measured: 400_000 } as const
const million = { users: 1_000_000, warmUp: 100_000, measured: 1_000_000 } as const

export const layoutCases: ReadonlyArray<Case> = [
  layoutCase({
    name: "layout-1k",
    about: "the bare protocol on the commit chain and in atomic batches, 1,000 users",
    ...thousand
  }),
  layoutCase({ name: "layout-100k", about: "the same with 100,000 users", ...hundredThousand }),
  layoutCase({ name: "layout-1m", about: "the same with 1,000,000 users", ...million }),
  ...[32, 128, 256].flatMap((commitKibibytes) => [
    layoutCase({
      name: `layout-1k-${commitKibibytes}`,
      about: `the same with 1,000 users and commits of up to ${commitKibibytes} KiB`,
      ...thousand,
      chain: { commitKibibytes }
    }),
    layoutCase({
      name: `layout-100k-${commitKibibytes}`,
      about: `the same with 100,000 users and commits of up to ${commitKibibytes} KiB`,
      ...hundredThousand,
      chain: { commitKibibytes }
    })
  ]),
  layoutCase({
    name: "layout-100k-s2",
    about: "the same with 100,000 users and a compressed chain",
    ...hundredThousand,
    chain: { isCompressed: true }
  }),
  layoutCase({
    name: "layout-100k-cluster",
    about: "the same with 100,000 users on three brokers",
    ...hundredThousand,
    replicas: 3
  }),
  layoutCase({
    name: "layout-cold",
    about: "1,000,000 users of which 20,000 stay in memory on the chain; the batches keep all and read none",
    ...million,
    chain: { residentMax: 20_000 }
  })
]
