import { Context, Duration, Effect, type Scope } from "effect"
import { setGauge } from "./Measures.ts"
import { type MetricsFormat, metricsMediaTypes, metricsText } from "./MetricsText.ts"

/** The longest time of the reads that set gauges. A gauge whose read takes longer keeps its value. */
const readTimeout = Duration.seconds(1)

const readProcess = Effect.sync(() => {
  const { rss } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  setGauge("process_resident_memory_bytes", "Memory of the process.", rss)
  setGauge("process_cpu_seconds", "Processor time that the process has used.", (user + system) / 1_000_000)
  setGauge("process_uptime_seconds", "How long the process has been running.", process.uptime())
})

/** The reads that set gauges each time the metrics are asked for. */
class GaugeReads {
  private readonly reads = new Set([readProcess])

  /** Adds a read until the scope closes. */
  whileOpen(read: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.reads.add(read)),
      () => Effect.sync(() => void this.reads.delete(read))
    )
  }

  /** Runs all reads at once, each for a bounded time. */
  readonly all: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(this.reads, (read) => Effect.timeoutOption(read, readTimeout), {
      concurrency: "unbounded",
      discard: true
    })
  )
}

/**
 * The gauge reads of a process. This is a reference, so that an edge and a worker in one process share the reads. They
 * share Effect's registry of metrics, too.
 */
const Reads = Context.Reference("purchases/metrics/GaugeReads", { defaultValue: () => new GaugeReads() })

/** Runs a read of gauges each time the metrics are asked for, until the scope closes. A read has one second. */
export const whenAsked = (read: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Reads, (reads) => reads.whileOpen(read))

/** Returns the metrics of this process in a text format. Reads the gauges first. */
const exposition = (format: MetricsFormat): Effect.Effect<string> =>
  Effect.flatMap(Reads, (reads) => Effect.map(reads.all, () => metricsText(format)))

/** Returns the HTTP response with the metrics of this process, which names the format and its version. */
export const metricsResponse = (format: MetricsFormat): Effect.Effect<Response> =>
  Effect.map(
    exposition(format),
    (text) =>
      new Response(text, { headers: { "content-type": metricsMediaTypes[format], "cache-control": "no-store" } })
  )
