import { Effect, type Scope } from "effect"

/** Starts an effect from a callback, in a fiber of its own. */
export type Fork<R = never> = (effect: Effect.Effect<unknown, unknown, R>) => void

/** Returns the function that starts effects in fibers which end with the scope of the caller. */
export const forkInScope = <R = never>(): Effect.Effect<Fork<R>, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<R>())
    return (effect) => void run(Effect.forkIn(effect, scope))
  })
