/**
 * The number of things that each planted leak of a process forgets to release. A leak begins with the load between the
 * two snapshots, and ends after {@link thingsForgotten} things. So its size does not depend on the speed of the
 * machine.
 */
export const thingsForgotten = 500

/**
 * The size of a planted leak, as a multiple of the growth that Allowances.ts allows. A healthy run changes a figure by
 * less than the allowed growth. So if the figure also falls by that much for another reason, it still grows by three
 * times the allowed growth. Then the leak is found.
 */
const allowancesLeaked = 4

/**
 * Returns the bytes that each forgotten thing holds, so that all things together hold {@link allowancesLeaked}
 * allowances.
 */
export const bytesOfEach = (allowanceBytes: number): number =>
  Math.ceil((allowancesLeaked * allowanceBytes) / thingsForgotten)

let isBegun = false
const counts = new Map<string, number>()

export const beginForgetting = (): void => void (isBegun = true)

/** Declares a leak. Returns a function that returns whether one more thing is to be forgotten now. */
export const plantLeak = (name: string): (() => boolean) => {
  counts.set(name, 0)
  return () => {
    const count = counts.get(name) ?? 0
    if (!isBegun || count === thingsForgotten) return false
    counts.set(name, count + 1)
    return true
  }
}

/** Returns whether each leak of this process is complete. The result is `true` for a process without leaks. */
export const isAllForgotten = (): boolean => [...counts.values()].every((count) => count === thingsForgotten)
