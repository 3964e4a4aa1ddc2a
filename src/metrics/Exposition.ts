import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { setGauge } from "./Measures.ts"

export const expositionMediaType = "text/plain; version=0.0.4"

/** How long everything that is looked up for an exposition may take; what takes longer is left as it was. */
const lookWaitMilliseconds = 1_000

const looks = new Set<Effect.Effect<void>>()

/** Has something looked up each time when the metrics are asked for, until the scope closes. */
export const whenAsked = (look: Effect.Effect<void>) =>
  Effect.acquireRelease(
    Effect.sync(() => void looks.add(look)),
    () => Effect.sync(() => void looks.delete(look))
  )

const lookAtProcess = Effect.sync(() => {
  const { rss } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  setGauge("process_resident_memory_bytes", "Memory of the process.", rss)
  setGauge("process_cpu_seconds", "Processor time that the process has used.", (user + system) / 1_000_000)
  setGauge("process_uptime_seconds", "How long the process has been running.", process.uptime())
})

/** The metrics of this process in the text format of Prometheus. */
export const exposition: Effect.Effect<string> = Effect.suspend(() =>
  Effect.forEach([lookAtProcess, ...looks], (look) => Effect.timeoutOption(look, lookWaitMilliseconds), {
    concurrency: "unbounded",
    discard: true
  }).pipe(Effect.andThen(PrometheusMetrics.format()))
)
