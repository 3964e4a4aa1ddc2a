import { type Duration, Effect, Layer } from "effect"
import { RuleCounts } from "../nats/RuleCounts.ts"
import { Judge } from "./Judge.ts"
import type { ShardProgress } from "./ShardProgress.ts"

/** Returns the number of rules that are switched on, as far as the shards of a judge have read the rules. */
export const rulesRead = (shards: ReadonlyMap<number, ShardProgress>): number =>
  Math.max(0, ...Array.from(shards.values(), ({ rules }) => rules))

/**
 * Tells the edges how many rules of all users are switched on. Each judge knows the number, because it reads all rules.
 */
export const ruleCountLayer = (judge: string, every: Duration.Duration) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const counts = yield* RuleCounts
      const { shards } = yield* Judge
      const told = Effect.suspend(() => (shards().size === 0 ? Effect.void : counts.tell(judge, rulesRead(shards()))))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), told)))
    })
  )
