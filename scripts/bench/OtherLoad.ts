import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

const ticksPerSecond = 100

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const sum = (fields: ReadonlyArray<string | undefined>): number =>
  fields.reduce((all, field) => all + Number(field ?? Number.NaN), 0)

/**
 * Reads the ticks of all processors together from /proc/stat. Busy ticks are all ticks except idle ones and waits for
 * disks, and ticks of guests count once. Stolen ticks are those in which a virtual processor was ready, but its host
 * ran something else.
 */
const machineTicks = () => {
  const [, user, nice, system, , , interrupts, softInterrupts, stolen] =
    read("/proc/stat").split("\n")[0]?.split(/ +/) ?? []
  return { busy: sum([user, nice, system, interrupts, softInterrupts]), stolen: sum([stolen]) }
}

/** Returns the ticks that this process has used, and its children that have ended. */
const ownTicks = (): number => {
  const stat = read("/proc/self/stat")
  return sum(
    stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 15)
  )
}

/** The load of other programs and of the host, each as a share of the time of all processors. */
interface OtherLoad {
  /**
   * The share of the processors that processes outside of the benchmark used. Children of the benchmark count as
   * outside until they have ended.
   */
  readonly others: number
  /** The share of the processors that the host of a virtual machine kept for itself. */
  readonly stolen: number
}

/**
 * Starts to watch the load of other programs and of the host. The returned function returns the shares of other
 * programs and of the host since the start; NaN on a machine without /proc.
 */
export const watchOtherLoad = (): (() => OtherLoad) => {
  const began = performance.now()
  const ownBefore = ownTicks()
  const before = machineTicks()
  return () => {
    const ticks = ((performance.now() - began) / 1_000) * ticksPerSecond * availableParallelism()
    const { busy, stolen } = machineTicks()
    return {
      others: Math.max(0, (busy - before.busy - (ownTicks() - ownBefore)) / ticks),
      stolen: (stolen - before.stolen) / ticks
    }
  }
}
