import { Effect } from "effect"

/** What stands between an epoch's queries and its input: which sequence the actors have been given. */
export const makeDispatched = (from: number) => {
  let through = from
  let waiters: Array<{ readonly sequence: number; readonly resume: () => void }> = []
  return {
    get through() {
      return through
    },
    get awaited() {
      return waiters.length > 0
    },
    reach(sequence: number) {
      through = sequence
      if (waiters.length === 0) return
      const ready = waiters.filter((waiter) => waiter.sequence <= through)
      waiters = waiters.filter((waiter) => waiter.sequence > through)
      for (const waiter of ready) waiter.resume()
    },
    wait: (sequence: number) =>
      Effect.callback<void>((resume) => {
        if (sequence <= through) return resume(Effect.void)
        const waiter = { sequence, resume: () => resume(Effect.void) }
        waiters.push(waiter)
        return Effect.sync(() => void (waiters = waiters.filter((other) => other !== waiter)))
      })
  }
}
