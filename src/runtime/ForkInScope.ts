import { Effect, type Scope } from "effect"

/** A function that starts an effect in a fiber of its own, for use in callbacks. */
export type Fork<R = never> = (effect: Effect.Effect<unknown, unknown, R>) => void

/** Returns the function that starts effects in fibers which end with the scope of the caller. */
export const forkInScope = <R = never>(): Effect.Effect<Fork<R>, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<R>())
    return (effect) => void run(Effect.forkIn(effect, scope))
  })
