import { Effect, Layer } from "effect"
import { whenAsked } from "../metrics/Exposition.ts"
import { setGauge } from "../metrics/Measures.ts"
import { AlertStream } from "../nats/AlertStream.ts"
import { Judge } from "./Judge.ts"
import { rulesRead } from "./RuleCountReport.ts"

/** Sets the gauges of a judge each time that the judge's metrics are read. */
export const judgeMetricsLayer = Layer.effectDiscard(
  Effect.gen(function* () {
    const judge = yield* Judge
    const { shards } = yield* AlertStream
    yield* whenAsked(
      Effect.sync(() => {
        const judged = judge.shards()
        for (let shard = 0; shard < shards; shard += 1) {
          const progress = judged.get(shard)
          setGauge(
            "alert_lag_seconds",
            "Age of the oldest commit whose alerts are not stored; only the shard's judge tells.",
            progress && progress.lagMilliseconds() / 1_000,
            { shard: String(shard) }
          )
        }
        setGauge("rules_in_force", "Rules that are switched on, as far as this judge has read.", rulesRead(judged))
        setGauge("shards_judged", "Shards of alerts that this judge judges.", judged.size)
      })
    )
  })
)
