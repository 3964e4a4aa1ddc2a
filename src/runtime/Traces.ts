import { type Clock, Context, Exit, Option, Tracer } from "effect"

/**
 * The most spans that a process begins in a second. The number of spans is bounded, because callers choose whether
 * their requests are traced.
 */
export const spansPerSecondMax = 1_000

/** The ids of a span in another process, or in another part of this process. */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
}

type Attributes = Readonly<Record<string, string | number>>

/** A span that has begun. */
export interface OpenSpan extends TraceContext {
  /** Ends the span. `failure` says why the work of the span failed. */
  readonly end: (attributes?: Attributes, failure?: string) => void
}

interface Begin {
  readonly name: string
  readonly kind: Tracer.SpanKind
  /** The span around this span; `undefined` for the first span of a trace. */
  readonly parent?: TraceContext | undefined
  readonly attributes?: Attributes
}

const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/

/** Reads the header `traceparent` of W3C Trace Context; `undefined` if the text is malformed. */
export const readTraceparent = (text: string): (TraceContext & { readonly isSampled: boolean }) | undefined => {
  const [, traceId = "", spanId = "", flags = ""] = text.startsWith("ff") ? [] : (pattern.exec(text) ?? [])
  if (!/[1-9a-f]/.test(traceId) || !/[1-9a-f]/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Writes the header `traceparent` for a span that is traced. */
export const traceparentOf = ({ traceId, spanId }: TraceContext): string => `00-${traceId}-${spanId}-01`

/** Makes the spans of a process. Modules get `Traces` from {@link TraceSource}, which is `undefined` by default. */
export class Traces {
  private readonly tracer: Pick<Tracer.Tracer, "span">
  private readonly clock: Pick<Clock.Clock, "currentTimeMillisUnsafe" | "currentTimeNanosUnsafe">
  /** The share of requests without a header `traceparent` that are traced, from 0 to 1. */
  private readonly share: number
  private readonly random: () => number
  private second = 0
  private begun = 0

  constructor(tracer: Traces["tracer"], clock: Traces["clock"], share: number, random: () => number = Math.random) {
    this.tracer = tracer
    this.clock = clock
    this.share = share
    this.random = random
  }

  /**
   * Begins the span of a request, given the request's header `traceparent`. Returns `undefined` if the request is not
   * traced.
   */
  request(traceparent: string | undefined, span: Begin): OpenSpan | undefined {
    const parent = traceparent === undefined ? undefined : readTraceparent(traceparent)
    const isTraced = parent === undefined ? this.random() < this.share : parent.isSampled
    return isTraced ? this.begin({ ...span, parent }) : undefined
  }

  /** Begins a span. Returns `undefined` if the process has begun {@link spansPerSecondMax} spans in this second. */
  begin({ name, kind, parent, attributes = {} }: Begin): OpenSpan | undefined {
    if (!this.hasRoom()) return undefined
    const { tracer, clock } = this
    const around = Option.map(Option.fromUndefinedOr(parent), (ids) => Tracer.externalSpan({ ...ids, sampled: true }))
    const span = tracer.span({
      name,
      parent: around,
      annotations: Context.empty(),
      links: [],
      startTime: clock.currentTimeNanosUnsafe(),
      kind,
      root: parent === undefined,
      sampled: true
    })
    const take = (taken: Attributes) => {
      for (const [key, value] of Object.entries(taken)) span.attribute(key, value)
    }
    take(attributes)
    return {
      traceId: span.traceId,
      spanId: span.spanId,
      end: (taken = {}, failure) => {
        take(taken)
        span.end(clock.currentTimeNanosUnsafe(), failure === undefined ? Exit.void : Exit.fail(failure))
      }
    }
  }

  private hasRoom(): boolean {
    const second = Math.floor(this.clock.currentTimeMillisUnsafe() / 1_000)
    if (second !== this.second) this.begun = 0
    this.second = second
    this.begun += 1
    return this.begun <= spansPerSecondMax
  }
}

/** The traces of this process; `undefined` if the process makes no traces. */
export const TraceSource = Context.Reference<Traces | undefined>("purchases/runtime/TraceSource", {
  defaultValue: () => undefined
})

/** The span of the request whose effect runs; `undefined` outside of a traced request. */
export const RequestSpan = Context.Reference<TraceContext | undefined>("purchases/runtime/RequestSpan", {
  defaultValue: () => undefined
})
