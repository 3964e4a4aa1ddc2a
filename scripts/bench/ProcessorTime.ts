import { readFileSync } from "node:fs"

// Linux shows times to programs in this unit, whatever its own tick is.
const microsecondsPerTick = 10_000

/** Returns the processor time of a process so far, in microseconds; NaN without /proc. */
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

/** The microseconds of processor time of one purchase or request, by the name of the process. */
export type Spent = Readonly<Record<string, number>>

/** Starts counting the time of some processes by their ids. The returned function divides it by a number of purchases. */
export const countProcessorTime = (processes: Readonly<Record<string, { readonly pid: number }>>) => {
  const read = () => Object.entries(processes).map(([name, { pid }]) => [name, processorTime(pid)] as const)
  const before = new Map(read())
  return (purchases: number): Spent =>
    Object.fromEntries(read().map(([name, time]) => [name, (time - (before.get(name) ?? 0)) / purchases]))
}
