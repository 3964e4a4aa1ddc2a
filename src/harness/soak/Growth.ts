import type { ProcessFigures } from "./preload/Introspection.ts"
import { brokerAllowances, mebibyte, processAllowances, workerBytesPerUserMax } from "./Allowances.ts"

export interface BrokerFigures {
  /**
   * The broker's resident memory without the free memory that Go keeps. Under load, the heap of Go doubles before each
   * garbage collection.
   */
  readonly residentBytes: number
  /** The memory of Go's objects after a garbage collection. */
  readonly heapBytes: number
  /** The number of open file descriptors; `undefined` outside of Linux. */
  readonly descriptors: number | undefined
  readonly connections: number
  readonly subscriptions: number
  readonly consumers: number
}

/** The figures of all processes, read while no requests are sent. */
export interface Snapshot {
  readonly edge: ProcessFigures
  readonly worker: ProcessFigures
  readonly broker: BrokerFigures
  /**
   * The number of users with purchases. The owner of a partition keeps a head in memory for each user of the partition.
   */
  readonly users: number
}

export interface Growth {
  /** The names of the process and of the figure, for example "edge heapBytes". */
  readonly name: string
  readonly before: number
  readonly after: number
  readonly allowed: number
}

const growthOf = <Name extends string>(
  owner: "edge" | "worker" | "broker",
  before: { readonly [name in NoInfer<Name>]: number | undefined },
  after: { readonly [name in NoInfer<Name>]: number | undefined },
  allowances: Readonly<Record<Name, number>>
): ReadonlyArray<Growth> =>
  (Object.keys(allowances) as Array<Name>).flatMap((name) => {
    const [first, last] = [before[name], after[name]]
    if (first === undefined || last === undefined) return []
    return [{ name: `${owner} ${name}`, before: first, after: last, allowed: allowances[name] }]
  })

/** Returns the growth of each figure, and the growth that is allowed. */
export const growthBetween = (before: Snapshot, after: Snapshot): ReadonlyArray<Growth> => {
  const { residentBytes, externalBytes } = processAllowances
  const headBytes = (after.users - before.users) * workerBytesPerUserMax
  return [
    ...growthOf("edge", before.edge, after.edge, processAllowances),
    ...growthOf("worker", before.worker, after.worker, {
      ...processAllowances,
      residentBytes: residentBytes + headBytes,
      externalBytes: externalBytes + headBytes
    }),
    ...growthOf("broker", before.broker, after.broker, brokerAllowances)
  ]
}

/** Returns whether a figure has grown by more than the allowed growth. */
export const isTooMuch = ({ before, after, allowed }: Growth): boolean => after - before > allowed

const leastFigures = <Figures extends object>(one: Figures, other: Figures): Figures =>
  Object.fromEntries(
    Object.entries(one).map(([name, figure]: [string, number | undefined]) => {
      const another = (other as Record<string, number | undefined>)[name]
      return [name, figure === undefined || another === undefined ? undefined : Math.min(figure, another)]
    })
  ) as Figures

/**
 * Returns a snapshot with the smaller one of the two values of each figure. The smaller value counts less memory that
 * the process could still release.
 */
export const leastOf = (one: Snapshot, other: Snapshot): Snapshot => ({
  edge: leastFigures(one.edge, other.edge),
  worker: leastFigures(one.worker, other.worker),
  broker: leastFigures(one.broker, other.broker),
  users: Math.min(one.users, other.users)
})

/** Returns a number of bytes as a text in MiB. */
export const mebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`

/** Returns the growth of a figure as a text. */
export const describeGrowth = (growth: Growth): string => {
  const { name, before, after, allowed } = growth
  const size = (figure: number) => (name.endsWith("Bytes") ? mebibytes(figure) : String(figure))
  return (
    `${isTooMuch(growth) ? "GREW" : "  ok"}  ${name.padEnd(22)} ${size(before).padStart(10)} → ` +
    `${size(after).padStart(10)}  (at most ${size(allowed)} more)`
  )
}
