import { Effect, MutableList } from "effect"

/**
 * Makes a function that runs at most `permits` effects at once. Further effects wait in the order in which they came.
 * Effect's own Semaphore checks all waiting effects whenever an effect ends, and here many thousands may wait.
 */
export const makeFifoSemaphore = (
  permits: number
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  let free = permits
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
  // An effect that is interrupted while it waits still takes its permit, and returns it at once. So no permit is lost.
  return (effect) =>
    Effect.acquireUseRelease(
      begin,
      () => effect,
      () => end
    )
}
