import { Effect, type Exit, type Scope } from "effect"

/**
 * Makes one read for all that wait at that moment: whoever asks while a read is under way waits for the next one, so that
 * each answer was read after it was asked for. One read is in flight at a time. Reads end with the scope.
 */
export const makeSingleFlightRead = <A, E>(
  read: Effect.Effect<A, E>
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<never>())
    let waiting: Array<(exit: Exit.Exit<A, E>) => void> = []
    let reading = false

    const start = () => {
      const asked = waiting
      waiting = []
      reading = true
      const settle = (exit: Exit.Exit<A, E>) => {
        reading = false
        if (waiting.length > 0) start()
        for (const answer of asked) answer(exit)
      }
      run(
        Effect.forkIn(
          Effect.onExit(read, (exit) => Effect.sync(() => settle(exit))),
          scope
        )
      )
    }

    return Effect.callback<A, E>((resume) => {
      waiting.push(resume)
      if (!reading) start()
    })
  })
