import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

/** A span as a collector gets it by OTLP over HTTP. */
export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Readonly<Record<string, unknown>> }>
  readonly status: { readonly code: number }
}

interface Export {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: CollectedSpan["attributes"] }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<CollectedSpan> }>
  }>
}

/** Takes spans by OTLP over HTTP, as a collector of traces does. */
export class TraceCollector {
  readonly spans: Array<CollectedSpan> = []
  /** The text of all bodies, to search for texts that must not leave the service. */
  text = ""
  private readonly server: Server

  private constructor() {
    this.server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk: Buffer) => void (body += chunk.toString()))
      request.on("end", () => {
        this.take(body)
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    })
  }

  static async start(): Promise<TraceCollector> {
    const collector = new TraceCollector()
    collector.server.listen(0, "127.0.0.1")
    await once(collector.server, "listening")
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/traces`
  }

  /** Returns the spans of a trace that have come so far. */
  of(traceId: string): ReadonlyArray<CollectedSpan> {
    return this.spans.filter((span) => span.traceId === traceId)
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, "close")
  }

  private take(body: string): void {
    this.text += body
    const { resourceSpans } = JSON.parse(body) as Export
    for (const { scopeSpans } of resourceSpans) for (const { spans } of scopeSpans) this.spans.push(...spans)
  }
}
