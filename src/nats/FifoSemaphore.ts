import { Effect, MutableList } from "effect"

/**
 * Has at most so many effects under way at once; the others wait, and the first that came goes first. Effect's
 * Semaphore looks at all that wait whenever one ends, and here a hundred thousand may wait.
 */
export const makeFifoSemaphore = (
  most: number
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  let free = most
  const waiting = MutableList.make<() => void>()

  const begin = Effect.callback<void>((resume) => {
    if (free === 0) return void MutableList.append(waiting, () => resume(Effect.void))
    free -= 1
    resume(Effect.void)
  })
  const end = Effect.sync(() => {
    const next = MutableList.take(waiting)
    if (next === MutableList.Empty) free += 1
    else next()
  })
  // Who is interrupted while it waits still takes its turn, and ends it at once, so that no turn is lost.
  return (effect) =>
    Effect.acquireUseRelease(
      begin,
      () => effect,
      () => end
    )
}
