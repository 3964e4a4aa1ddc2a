import { readFileSync } from "node:fs"

// The unit in which Linux shows processor times to programs, in microseconds. The unit of processor times does not
// depend on the tick of the kernel.
const microsecondsPerTick = 10_000

/** Returns the processor time that a process has used, in microseconds; NaN on a machine without /proc. */
const processorTime = (pid: number): number => {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch {
    return Number.NaN
  }
  // The second field of /proc/<pid>/stat is the program's name in parentheses, and the name may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick
}

/** The microseconds of processor time of one purchase or request, by the name of the process. */
export type Spent = Readonly<Record<string, number>>

/**
 * Starts to count the processor time of some processes. Returns a function that returns each process's time since the
 * start, divided by a number of purchases.
 */
export const countProcessorTime = (processes: Readonly<Record<string, { readonly pid: number }>>) => {
  const read = () => Object.entries(processes).map(([name, { pid }]) => [name, processorTime(pid)] as const)
  const before = new Map(read())
  return (purchases: number): Spent =>
    Object.fromEntries(read().map(([name, time]) => [name, (time - (before.get(name) ?? 0)) / purchases]))
}
