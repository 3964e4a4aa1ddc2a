import { Clock, Context, Duration, Effect, Layer } from "effect"
import { RuleCounts } from "../nats/RuleCounts.ts"

/** The time for which a judge's count of rules is used. A judge that has ended sends no further count of rules. */
const countMilliseconds = Duration.toMillis(Duration.seconds(30))

/**
 * Returns the number of switched-on rules of all users, as the judges have told the edge; 0 if no judge has told a
 * number. The bound on the rules of all users is checked against the number that the judges have told. So the rules of
 * all users may exceed the bound by the rules that no judge has read yet.
 */
export const RulesInAll = Context.Reference<Effect.Effect<number>>("purchases/alerts/RulesInAll", {
  defaultValue: () => Effect.succeed(0)
})

/**
 * Provides the highest number of rules that a judge has told. A judge that has not read the whole journal tells too low
 * a number of rules.
 */
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
