import { Effect, type Exit, type Scope } from "effect"
import { forkInScope } from "../runtime/ForkInScope.ts"

/**
 * Returns an effect that shares reads between its callers. One read is in flight at a time. Callers that come while a
 * read is under way share the next read. Each caller thus gets the result of a read that began after the call. Reads
 * end when the scope of `makeSingleFlightRead` closes.
 */
export const makeSingleFlightRead = <A, E>(
  read: Effect.Effect<A, E>
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = yield* forkInScope()
    let waiting: Array<(exit: Exit.Exit<A, E>) => void> = []
    let isReading = false

    const start = () => {
      const asked = waiting
      waiting = []
      isReading = true
      const settle = (exit: Exit.Exit<A, E>) => {
        isReading = false
        if (waiting.length > 0) start()
        for (const answer of asked) answer(exit)
      }
      fork(Effect.onExit(read, (exit) => Effect.sync(() => settle(exit))))
    }

    return Effect.callback<A, E>((resume) => {
      waiting.push(resume)
      if (!isReading) start()
    })
  })
