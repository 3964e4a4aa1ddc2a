import { Option, type Tracer } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { readTraceparent, spansPerSecondMax, traceparentOf, Traces } from "../../src/runtime/Traces.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { purchaseText, startService, type TestService } from "../support/TestService.ts"
import { type CollectedSpan, TraceCollector } from "../support/TraceCollector.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const callerSpan = "b7ad6b7169203331"

describe("the header traceparent", () => {
  it("a traceparent is read back as it was written", () => {
    expect(readTraceparent(traceparentOf({ traceId, spanId: callerSpan }))).toEqual({
      traceId,
      spanId: callerSpan,
      isSampled: true
    })
  })

  it.each([
    "",
    "nonsense",
    `00-${traceId}-${callerSpan}`,
    `ff-${traceId}-${callerSpan}-01`,
    `00-${"0".repeat(32)}-${callerSpan}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${callerSpan}-01`,
    `00-${traceId}-${callerSpan}-01\r\nEvil: 1`
  ])("%j is not a traceparent", (text) => {
    expect(readTraceparent(text)).toBeUndefined()
  })
})

describe("the traces of a process", () => {
  const begun: Array<Parameters<Tracer.Tracer["span"]>[0]> = []
  let now = 0
  let traces: Traces
  beforeEach(() => {
    begun.length = 0
    now = 5_000
    const span = (options: Parameters<Tracer.Tracer["span"]>[0]) => {
      begun.push(options)
      return { traceId, spanId: callerSpan, attribute: () => undefined, end: () => undefined } as unknown as Tracer.Span
    }
    const clock = { currentTimeMillisUnsafe: () => now, currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n }
    traces = new Traces({ span }, clock, 0.25, () => 0.25)
  })
  const request = { name: "GET /", kind: "server" } as const

  it("the flag in the header decides whether a request is traced, and without a header TRACES_SHARE decides", () => {
    expect(traces.request(`00-${traceId}-${callerSpan}-00`, request)).toBeUndefined()
    expect(traces.request(undefined, request)).toBeUndefined()
    expect(traces.request(`00-${traceId}-${callerSpan}-01`, request)).toBeDefined()
    expect(begun.map(({ parent }) => Option.getOrUndefined(parent)?.spanId)).toEqual([callerSpan])
  })

  it("a process begins a bounded number of spans in a second, however many traces callers ask for", () => {
    const ask = () => traces.request(`00-${traceId}-${callerSpan}-01`, request)
    const asked = Array.from({ length: 2 * spansPerSecondMax }, ask)
    expect(asked.filter((span) => span !== undefined)).toHaveLength(spansPerSecondMax)
    now += 1_000
    expect(ask()).toBeDefined()
  })
})

describe("a service whose traces are switched on", () => {
  let collector: TraceCollector
  let service: TestService
  beforeAll(async () => {
    collector = await TraceCollector.start()
    service = await startService({ environment: { TRACES_URL: collector.url, TRACES_SHARE: "0" } })
  })
  afterAll(async () => {
    await service.stop()
    await collector.stop()
  })

  const named = (spans: ReadonlyArray<CollectedSpan>, name: string) => spans.find((span) => span.name === name)

  it("one posted purchase is one trace through edge, broker and worker", async () => {
    const answer = await service.post(purchaseText({ userId: "private-user", purchaseId: "private-id" }), {
      traceparent: `00-${traceId}-${callerSpan}-01`,
      prefer: "wait=5"
    })
    expect(answer.status).toBe(201)
    await until("the collector has the trace", async () => collector.of(traceId).length >= 3)
    const spans = collector.of(traceId)
    const [post, store, apply] = ["POST /purchases", "store purchases", "apply purchases"].map((name) =>
      named(spans, name)
    )
    expect([post?.parentSpanId, store?.parentSpanId, apply?.parentSpanId]).toEqual([
      callerSpan,
      post?.spanId,
      store?.spanId
    ])
    expect(spans).toHaveLength(3)
    expect(spans.every(({ status }) => status.code === 1)).toBe(true)
    expect(post?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: 201 } })
    const began = spans.map(({ startTimeUnixNano }) => BigInt(startTimeUnixNano))
    expect(began.every((at) => at > BigInt(Date.now() - 60_000) * 1_000_000n)).toBe(true)
  })

  it("each of several purchases that are posted at once has a whole trace of its own", async () => {
    const ids = ["a", "b", "c"].map((letter) => letter.repeat(32))
    const answers = await Promise.all(
      ids.map((id, index) =>
        service.post(purchaseText({ userId: "shared", purchaseId: `shared-${index}` }), {
          traceparent: `00-${id}-${callerSpan}-01`,
          prefer: "wait=5"
        })
      )
    )
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    for (const id of ids) {
      await until("the trace is whole", async () => named(collector.of(id), "apply purchases") !== undefined)
      expect(named(collector.of(id), "apply purchases")?.parentSpanId).toBe(
        named(collector.of(id), "store purchases")?.spanId
      )
    }
  })

  it("a line of a body is traced as its request is, and no span has a user or a purchase id", async () => {
    const id = "d".repeat(32)
    const body = `${purchaseText({ userId: "private-user", purchaseId: "private-line" })}\n`
    const headers = { traceparent: `00-${id}-${callerSpan}-01`, "content-type": "application/x-ndjson" }
    const answer = await service.post(body, headers)
    expect(answer.status).toBe(200)
    await until("the trace is whole", async () => named(collector.of(id), "apply purchases") !== undefined)
    expect(collector.text).not.toContain("private")
  })

  it("a request that its caller does not trace has no span and no header in the input log", async () => {
    await service.post(purchaseText({ purchaseId: "untraced" }), {
      traceparent: `00-${"e".repeat(32)}-${callerSpan}-00`,
      prefer: "wait=5"
    })
    await service.post(purchaseText({ purchaseId: "untraced-too" }), { prefer: "wait=5" })
    const last = "f".repeat(32)
    await service.get("/users/ann/total", { traceparent: `00-${last}-${callerSpan}-01` })
    await until("a later span has come", async () => collector.of(last).length === 1)
    expect(collector.of("e".repeat(32))).toEqual([])
    const manager = await service.client.jetstreamManager()
    const { state } = await manager.streams.info("PURCHASES")
    const newest = await manager.streams.getMessage("PURCHASES", { seq: state.last_seq })
    expect(newest.header.has("traceparent")).toBe(false)
    const first = await manager.streams.getMessage("PURCHASES", { seq: state.first_seq })
    expect(first.header.values("traceparent")).toHaveLength(1)
  })
})

describe("a service whose collector is away", () => {
  it("without its collector, the service answers requests and stops as it does without traces", async () => {
    const environment = { TRACES_URL: "http://127.0.0.1:1/v1/traces", TRACES_SHARE: "1" }
    const service = await startService({ environment })
    expect((await service.post(purchaseText(), { prefer: "wait=5" })).status).toBe(201)
    await service.stop()
  })
})

describe("a service without traces", () => {
  it("a request that asks for a trace stores a message without the header", async () => {
    const service = await startService()
    const headers = { traceparent: `00-${traceId}-${callerSpan}-01`, prefer: "wait=5" }
    expect((await service.post(purchaseText(), headers)).status).toBe(201)
    const manager = await service.client.jetstreamManager()
    const stored = await manager.streams.getMessage("PURCHASES", { last_by_subj: "purchases.>" })
    expect(stored.header.has("traceparent")).toBe(false)
    await service.stop()
  })
})
