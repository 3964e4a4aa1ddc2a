/**
 * Returns a function that returns random numbers in [0, 1). The same seed always gives the same random numbers
 * (mulberry32).
 */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Returns a random member of an array. Throws if the array is empty. */
export const chosen = <A>(from: ReadonlyArray<A>, random: () => number): A => {
  const one = from[Math.floor(random() * from.length)]
  if (one === undefined) throw new Error("nothing to choose from")
  return one
}

/** Returns the members of an array in a random order. */
export const shuffled = <A>(all: ReadonlyArray<A>, random: () => number): Array<A> => {
  const keyed = all.map((one) => ({ one, key: random() }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ one }) => one)
}
