import { Clock, Duration, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpExporter, OtlpSerialization, OtlpTracer } from "effect/observability"
import { Traces, TraceSource } from "./Traces.ts"

/** The longest time between the end of a span and the sending of the span. */
const exportEvery = Duration.seconds(1)
/** The longest wait of a stopping process for the sending of its last spans. */
const stopWait = Duration.seconds(2)

/** The settings for the traces of a process. */
export interface TraceSettings {
  /** The URL that takes spans by OTLP over HTTP, as JSON; an empty text for no traces. */
  readonly tracesUrl: string
  readonly tracesShare: number
  readonly workerId: string
}

/** Makes the traces of a process in a role. Without a URL, the process makes no traces, and tracing costs nothing. */
export const tracesLayer = (settings: TraceSettings, role: string): Layer.Layer<never> => {
  if (settings.tracesUrl === "") return Layer.empty
  const traces = Effect.gen(function* () {
    const tracer = yield* OtlpTracer.make({
      url: settings.tracesUrl,
      resource: {
        serviceName: "purchase-ledger",
        attributes: { "purchase_ledger.role": role, "service.instance.id": settings.workerId }
      },
      exportInterval: exportEvery,
      shutdownTimeout: stopWait
    })
    return new Traces(tracer, yield* Clock.Clock, settings.tracesShare)
  })
  return Layer.effect(TraceSource, traces).pipe(
    Layer.provide([OtlpExporter.layerFlusher, OtlpSerialization.layerJson, FetchHttpClient.layer])
  )
}
