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

/** Ticks that all processors together were busy: all of the first line but idle, waiting for disks, and guests twice. */
const busyTicks = (): number => {
  const [, user, nice, system, , , interrupts, softInterrupts] = read("/proc/stat").split("\n")[0]?.split(/ +/) ?? []
  return sum([user, nice, system, interrupts, softInterrupts])
}

/** Ticks of this process, and of its children that have ended. */
const ownTicks = (): number => {
  const stat = read("/proc/self/stat")
  return sum(
    stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 15)
  )
}

/**
 * Starts to look at what else keeps the machine busy. The answer, asked for when all children have ended, is the share
 * of all processors that processes outside of the benchmark used since; NaN where there is no /proc.
 */
export const watchOtherLoad = (): (() => number) => {
  const began = performance.now()
  const others = () => busyTicks() - ownTicks()
  const before = others()
  return () => {
    const seconds = (performance.now() - began) / 1_000
    return Math.max(0, (others() - before) / ticksPerSecond / seconds / availableParallelism())
  }
}
