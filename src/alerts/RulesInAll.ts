import { Clock, Context, Duration, Effect, Layer } from "effect"
import { RuleCounts } from "../nats/RuleCounts.ts"

/** A count counts for this time. A judge that ended tells no further count. */
const countMilliseconds = Duration.toMillis(Duration.seconds(30))

/**
 * The number of rules of all users that are switched on, as far as judges have told. It is 0 while no judge tells. The
 * bound of all users together is checked against this number, so that rules on their way may pass the bound.
 */
export const RulesInAll = Context.Reference<Effect.Effect<number>>("purchases/alerts/RulesInAll", {
  defaultValue: () => Effect.succeed(0)
})

/** Counts the rules by the counts of judges. A judge that catches up tells too few, so that the highest count is used. */
export const rulesInAllLayer = Layer.effect(
  RulesInAll,
  Effect.gen(function* () {
    const counts = yield* RuleCounts
    const clock = yield* Clock.Clock
    const told = new Map<string, { readonly rules: number; readonly at: number }>()
    const forgetOld = () => {
      const since = clock.currentTimeMillisUnsafe() - countMilliseconds
      for (const [judge, { at }] of told) if (at < since) told.delete(judge)
    }
    yield* counts.watch((judge, rules) => {
      forgetOld()
      told.set(judge, { rules, at: clock.currentTimeMillisUnsafe() })
    })
    return Effect.sync(() => {
      forgetOld()
      return Math.max(0, ...Array.from(told.values(), ({ rules }) => rules))
    })
  })
)
