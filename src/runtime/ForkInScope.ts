import { Effect, type Scope } from "effect"

/** A function that starts an effect in a fiber of its own, for use in callbacks. */
export type Fork<R = never> = (effect: Effect.Effect<unknown, unknown, R>) => void

/** Returns a function that starts effects in fibers. The fibers end when the caller's scope closes. */
export const forkInScope = <R = never>(): Effect.Effect<Fork<R>, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<R>())
    return (effect) => void run(Effect.forkIn(effect, scope))
  })
