import { Effect, type Exit, type Scope } from "effect"
import { forkInScope } from "../runtime/ForkInScope.ts"

/**
 * Makes one read for all that wait at that moment. Those who ask while a read is under way wait for the next one, so each
 * answer was read after it was asked for. One read is in flight at a time. Reads end with the scope.
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
