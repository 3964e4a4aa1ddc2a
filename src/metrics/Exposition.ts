import { Effect } from "effect"
import { setGauge } from "./Measures.ts"
import { type MetricsFormat, metricsMediaTypes, metricsText } from "./MetricsText.ts"

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

/** Returns the metrics of this process in a text format. What is told on request is looked up first. */
const exposition = (format: MetricsFormat): Effect.Effect<string> =>
  Effect.suspend(() =>
    Effect.forEach([lookAtProcess, ...looks], (look) => Effect.timeoutOption(look, lookWaitMilliseconds), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(Effect.sync(() => metricsText(format))))
  )

/** Answers with the metrics of this process in a text format, and names the format and its version. */
export const metricsResponse = (format: MetricsFormat): Effect.Effect<Response> =>
  Effect.map(
    exposition(format),
    (text) =>
      new Response(text, { headers: { "content-type": metricsMediaTypes[format], "cache-control": "no-store" } })
  )
