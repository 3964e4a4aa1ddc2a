import { tracesOfMessageMax } from "../protocol/Subject.ts"
import { type OpenSpan, type TraceContext, traceparentOf, type Traces } from "../runtime/Traces.ts"
import type { PublishGroup } from "./PublishLane.ts"

/** The spans of one message on its way into the input log. */
export interface MessageSpans {
  /** The headers `traceparent` of the message. */
  readonly traceparents: ReadonlyArray<string>
  /** Ends the spans. `failure` says why the message is not stored. */
  readonly end: (failure?: string) => void
}

/** Begins a span for each traced request of a message. Returns `undefined` if no request is traced. */
export const messageSpans = (traces: Traces, { members }: PublishGroup): MessageSpans | undefined => {
  const requests = new Set<TraceContext>()
  for (const { call } of members) {
    if (call.span !== undefined) requests.add(call.span)
    if (requests.size === tracesOfMessageMax) break
  }
  const spans = [...requests].flatMap((parent): ReadonlyArray<OpenSpan> => {
    const attributes = { "messaging.system": "nats", "messaging.batch.message_count": members.length }
    const span = traces.begin({ name: "store purchases", kind: "producer", parent, attributes })
    return span === undefined ? [] : [span]
  })
  if (spans.length === 0) return undefined
  return {
    traceparents: spans.map(traceparentOf),
    end: (failure) => {
      for (const span of spans) span.end({}, failure)
    }
  }
}
