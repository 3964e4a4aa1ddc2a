/**
 * Counts for the planted leaks of a process. A leak begins when the load between the two snapshots begins, and ends
 * after {@link thingsForgotten} things. So its size is the same on each machine, however fast that is.
 */
export const thingsForgotten = 500

/**
 * How many times its allowance a planted leak is. In a healthy run, which has the same load, a figure changes by less
 * than one allowance; the first test of Soak.test.ts holds it to that. If it even falls by one beside the leak, the
 * growth is three allowances. More than one is seen.
 */
const allowancesLeaked = 4

/** Returns how many bytes each forgotten thing holds, so that all of them hold four allowances. */
export const bytesOfEach = (allowanceBytes: number): number =>
  Math.ceil((allowancesLeaked * allowanceBytes) / thingsForgotten)

let isBegun = false
const counts = new Map<string, number>()

export const beginForgetting = (): void => void (isBegun = true)

/** Declares a leak, and returns a function that says whether one more thing is to be forgotten now. */
export const plantLeak = (name: string): (() => boolean) => {
  counts.set(name, 0)
  return () => {
    const count = counts.get(name) ?? 0
    if (!isBegun || count === thingsForgotten) return false
    counts.set(name, count + 1)
    return true
  }
}

/** Whether each leak of this process has forgotten all that it is to forget; true for a process without leaks. */
export const isAllForgotten = (): boolean => [...counts.values()].every((count) => count === thingsForgotten)
