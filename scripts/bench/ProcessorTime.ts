import { readFileSync } from "node:fs"

// Linux shows times to programs in this unit, whatever its own tick is.
const microsecondsPerTick = 10_000

/** How much processor time a process has used so far, in microseconds; NaN where there is no /proc. */
const processorTime = (pid: number): number => {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch {
    return Number.NaN
  }
  // The second field is the program's name in parentheses, and may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick
}

/** Who spends processor time on a purchase. */
export interface Spent {
  readonly edge: number
  readonly worker: number
  readonly broker: number
}

export type Spenders = Readonly<Record<keyof Spent, number>>

/** Starts counting for three processes, given by their ids; the answer says what each used since, for a purchase. */
export const countProcessorTime = (pids: Spenders): ((purchases: number) => Spent) => {
  const read = () => ({
    edge: processorTime(pids.edge),
    worker: processorTime(pids.worker),
    broker: processorTime(pids.broker)
  })
  const before = read()
  return (purchases) => {
    const after = read()
    return {
      edge: (after.edge - before.edge) / purchases,
      worker: (after.worker - before.worker) / purchases,
      broker: (after.broker - before.broker) / purchases
    }
  }
}
