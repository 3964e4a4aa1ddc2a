import { Context, Duration, Effect, type Scope } from "effect"
import { setGauge } from "./Measures.ts"
import { type MetricsFormat, metricsMediaTypes, metricsText } from "./MetricsText.ts"

/** The longest time of a read that sets gauges. If a read takes more time, its gauges keep their values. */
const readTimeout = Duration.seconds(1)

const readProcess = Effect.sync(() => {
  const { rss } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  setGauge("process_resident_memory_bytes", "Memory of the process.", rss)
  setGauge("process_cpu_seconds", "Processor time that the process has used.", (user + system) / 1_000_000)
  setGauge("process_uptime_seconds", "How long the process has been running.", process.uptime())
})

/** Holds the functions that read values and set gauges, and that run each time that the metrics are read. */
class GaugeReads {
  private readonly reads = new Set([readProcess])

  /** Adds a read that sets gauges, and removes the read when Effect's scope closes. */
  whileOpen(read: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.reads.add(read)),
      () => Effect.sync(() => void this.reads.delete(read))
    )
  }

  /** Runs all reads that set gauges at the same time, each for at most one second. */
  readonly all: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(this.reads, (read) => Effect.timeoutOption(read, readTimeout), {
      concurrency: "unbounded",
      discard: true
    })
  )
}

/**
 * The reads that set the gauges of a process. `Reads` is a reference, so that an edge and a worker in one process share
 * the reads. An edge and a worker in one process share Effect's registry of metrics in the same way.
 */
const Reads = Context.Reference("purchases/metrics/GaugeReads", { defaultValue: () => new GaugeReads() })

/**
 * Runs a read that sets gauges each time that the metrics are read, until the scope closes. A read may take one second.
 */
export const whenAsked = (read: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Reads, (reads) => reads.whileOpen(read))

/** Runs the reads that set gauges, and returns the metrics of this process in a text format. */
const exposition = (format: MetricsFormat): Effect.Effect<string> =>
  Effect.flatMap(Reads, (reads) => Effect.map(reads.all, () => metricsText(format)))

/** Returns the HTTP response with the metrics of this process. The content type names the format and its version. */
export const metricsResponse = (format: MetricsFormat): Effect.Effect<Response> =>
  Effect.map(
    exposition(format),
    (text) =>
      new Response(text, { headers: { "content-type": metricsMediaTypes[format], "cache-control": "no-store" } })
  )
