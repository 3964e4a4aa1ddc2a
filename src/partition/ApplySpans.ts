import { tracesOfMessageMax } from "../protocol/Subject.ts"
import type { ReadDelivery } from "../nats/Delivery.ts"
import { type OpenSpan, readTraceparent, type Traces } from "../runtime/Traces.ts"

/**
 * The spans of the traced messages that an epoch has in hand. A span ends when the whole message of the span is
 * committed.
 */
export class ApplySpans {
  private readonly traces: Traces
  private readonly partition: number
  private readonly open = new Map<number, ReadonlyArray<OpenSpan>>()

  constructor(traces: Traces, partition: number) {
    this.traces = traces
    this.partition = partition
  }

  /** Begins the spans of a message that the broker has delivered. */
  delivered({ sequence, traceparents }: Pick<ReadDelivery, "sequence" | "traceparents">): void {
    if (traceparents === undefined) return
    const attributes = {
      "messaging.system": "nats",
      "purchase_ledger.partition": this.partition,
      "purchase_ledger.input_sequence": sequence
    }
    const spans = traceparents.slice(0, tracesOfMessageMax).flatMap((text): ReadonlyArray<OpenSpan> => {
      const parent = readTraceparent(text)
      if (parent === undefined || !parent.isSampled) return []
      const span = this.traces.begin({ name: "apply purchases", kind: "consumer", parent, attributes })
      return span === undefined ? [] : [span]
    })
    if (spans.length > 0) this.open.set(sequence, spans)
  }

  /** Ends the spans of a message that is wholly committed. */
  committed(sequence: number): void {
    const spans = this.open.get(sequence)
    if (spans === undefined) return
    this.open.delete(sequence)
    for (const span of spans) span.end()
  }
}
