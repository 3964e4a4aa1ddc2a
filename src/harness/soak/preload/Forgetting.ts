/**
 * The number of things that each planted leak of a process forgets to release. A leak begins with the load between the
 * two snapshots, and ends after {@link thingsForgotten} things. So the size of a leak does not depend on the speed of
 * the machine.
 */
export const thingsForgotten = 500

/**
 * The size of a planted leak, as a multiple of the growth that Allowances.ts allows. A soak without leaks changes a
 * figure by less than the allowed growth. Even if a figure falls by the allowed growth for another reason, a leak makes
 * the figure grow by three times the allowed growth. Therefore the soak finds the leak.
 */
const allowancesLeaked = 4

/**
 * Returns the bytes that each forgotten thing holds. All forgotten things together hold {@link allowancesLeaked} times
 * the allowed growth.
 */
export const bytesOfEach = (allowanceBytes: number): number =>
  Math.ceil((allowancesLeaked * allowanceBytes) / thingsForgotten)

let isBegun = false
const counts = new Map<string, number>()

export const beginForgetting = (): void => void (isBegun = true)

/**
 * Declares a planted leak. Returns a function that returns whether the leak must now forget to release one more thing.
 */
export const plantLeak = (name: string): (() => boolean) => {
  counts.set(name, 0)
  return () => {
    const count = counts.get(name) ?? 0
    if (!isBegun || count === thingsForgotten) return false
    counts.set(name, count + 1)
    return true
  }
}

/**
 * Returns whether each planted leak of this process has forgotten to release {@link thingsForgotten} things. Returns
 * `true` for a process without planted leaks.
 */
export const isAllForgotten = (): boolean => [...counts.values()].every((count) => count === thingsForgotten)
