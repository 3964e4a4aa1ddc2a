import { Effect, MutableList } from "effect"

/**
 * Makes a function that runs at most `permits` effects at once. Effects above this number wait, and run in the order in
 * which they came. Waiting effects begin together, when half of the permits are free, so that their requests to the
 * broker leave in one write. Effect's own `Semaphore` is too slow for many thousands of waiting effects, because
 * Effect's `Semaphore` checks all waiting effects whenever an effect ends.
 */
export const makeFifoSemaphore = (
  permits: number
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  let free = permits
  const waiting = MutableList.make<() => void>()

  const begin = Effect.callback<void>((resume) => {
    if (free === 0 || waiting.length > 0) return void MutableList.append(waiting, () => resume(Effect.void))
    free -= 1
    resume(Effect.void)
  })
  const end = Effect.sync(() => {
    free += 1
    if (free * 2 < permits) return
    while (free > 0) {
      const next = MutableList.take(waiting)
      if (next === MutableList.Empty) return
      // An effect may run and end within `next`.
      free -= 1
      next()
    }
  })
  // No permit is lost: an effect that is interrupted during its wait still takes its permit, and returns the permit
  // immediately.
  return (effect) =>
    Effect.acquireUseRelease(
      begin,
      () => effect,
      () => end
    )
}
