import type { ProcessFigures } from "./preload/Introspection.ts"
import { brokerAllowances, mebibyte, processAllowances, workerBytesPerUserMax } from "./Allowances.ts"

export interface BrokerFigures {
  /** Resident memory without what Go keeps free for later: under load it lets its heap double before it collects. */
  readonly residentBytes: number
  /** Of Go's objects, after everything that nobody needs was collected. */
  readonly heapBytes: number
  /** Known on Linux alone. */
  readonly descriptors: number | undefined
  readonly connections: number
  readonly subscriptions: number
  readonly consumers: number
}

/** What everybody holds on to while nothing is asked of them. */
export interface Snapshot {
  readonly edge: ProcessFigures
  readonly worker: ProcessFigures
  readonly broker: BrokerFigures
  /** How many users have bought something. Each has a head in memory at the owner of its partition. */
  readonly users: number
}

export interface Growth {
  /** Like "edge heapBytes". */
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

/** How everything has grown, and how much of that is allowed. */
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

export const isTooMuch = ({ before, after, allowed }: Growth): boolean => after - before > allowed

const leastFigures = <Figures extends object>(one: Figures, other: Figures): Figures =>
  Object.fromEntries(
    Object.entries(one).map(([name, figure]: [string, number | undefined]) => {
      const another = (other as Record<string, number | undefined>)[name]
      return [name, figure === undefined || another === undefined ? undefined : Math.min(figure, another)]
    })
  ) as Figures

/** The least of each figure: what remains when all that can be let go is let go. */
export const leastOf = (one: Snapshot, other: Snapshot): Snapshot => ({
  edge: leastFigures(one.edge, other.edge),
  worker: leastFigures(one.worker, other.worker),
  broker: leastFigures(one.broker, other.broker),
  users: Math.min(one.users, other.users)
})

export const mebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`

export const describeGrowth = (growth: Growth): string => {
  const { name, before, after, allowed } = growth
  const size = (figure: number) => (name.endsWith("Bytes") ? mebibytes(figure) : String(figure))
  return (
    `${isTooMuch(growth) ? "GREW" : "  ok"}  ${name.padEnd(22)} ${size(before).padStart(10)} → ` +
    `${size(after).padStart(10)}  (at most ${size(allowed)} more)`
  )
}
