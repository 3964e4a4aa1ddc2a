import { Effect, MutableList } from "effect"

/**
 * The most time for which a free permit waits for further free permits. Without this bound, slow effects that hold more
 * than half of the permits would hold up all waiting effects.
 */
const groupWaitMilliseconds = 5

/**
 * Makes a function that runs at most `permits` effects at once. Effects above this number wait, and run in the order in
 * which they came. Waiting effects begin together, when at least half of the permits are free or after
 * {@link groupWaitMilliseconds}, so that their requests to the broker leave in one write. Effect's own `Semaphore` is too
 * slow for many thousands of waiting effects, because Effect's `Semaphore` checks all waiting effects whenever an effect
 * ends.
 */
export const makeFifoSemaphore = (
  permits: number
): (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  const waiting = MutableList.make<() => void>()
  let free = permits
  let isBeginning = false
  let groupWait: ReturnType<typeof setTimeout> | undefined

  const beginWaiting = () => {
    clearTimeout(groupWait)
    groupWait = undefined
    isBeginning = true
    while (free > 0) {
      const next = MutableList.take(waiting)
      if (next === MutableList.Empty) break
      free -= 1
      next()
    }
    isBeginning = false
  }

  const begin = Effect.callback<void>((resume) => {
    if (free === 0 || waiting.length > 0) return void MutableList.append(waiting, () => resume(Effect.void))
    free -= 1
    resume(Effect.void)
  })
  const end = Effect.sync(() => {
    free += 1
    // An effect may begin and end within the loop of `beginWaiting`, and the loop then goes on with its permit. If the
    // loop were begun again here, thousands of such effects would overflow the stack.
    if (isBeginning || waiting.length === 0) return
    if (free * 2 >= permits) beginWaiting()
    else groupWait ??= setTimeout(beginWaiting, groupWaitMilliseconds)
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
