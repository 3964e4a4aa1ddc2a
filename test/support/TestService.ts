import { type Context, Effect } from "effect"
import type { Hono } from "hono"
import type { NatsConnection } from "nats"
import { makeApp } from "../../src/edge/server/App.ts"
import type { EdgeServices } from "../../src/edge/runtime/EdgeRuntime.ts"
import type { Settings } from "../../src/Settings.ts"
import { describedApp } from "../../src/harness/system/Description.ts"
import { startedBeforeAll } from "./StartedBefore.ts"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { startEdge, startWorker, type TestEdge, testSettings } from "../../src/harness/system/TestLedger.ts"

type Body = Exclude<RequestInit["body"], undefined>

/** The parts of an answer that a caller sees. Bodies are compared as text, so that no amount goes through a float. */
export interface Seen {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Returns a body without the id of its incident, which is random. Problems below 500 have no incident. */
const withoutIncident = (status: number, body: string): string =>
  status < 500 ? body : body.replace(/,"incident":"[0-9a-f]{12}"\}$/, "}")

export const seen = async (answer: Response | Promise<Response>): Promise<Seen> => {
  const response = await answer
  const { status, headers } = response
  return { status, headers: Object.fromEntries(headers), body: withoutIncident(status, await response.text()) }
}

const titles: Record<string, readonly [number, string]> = {
  "malformed-request": [400, "The request is malformed"],
  unauthenticated: [401, "The request needs a valid token"],
  "origin-refused": [403, "The request may not come from there"],
  forbidden: [403, "The token does not allow this"],
  "not-found": [404, "Not found"],
  "method-not-allowed": [405, "The method is not allowed here"],
  "not-acceptable": [406, "No acceptable form of the answer"],
  "already-replayed": [409, "The record was replayed with another content"],
  "not-replayable": [409, "The record cannot be replayed"],
  "conflicting-reversal": [409, "This id was used for another reversal"],
  "rules-full": [409, "There is no room for a further rule"],
  "precondition-failed": [412, "The precondition does not hold"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The content type is not supported"],
  "refused-by-rules": [422, "The rules refuse this value"],
  "conflicting-purchase": [422, "This id was used for another purchase"],
  "more-than-left": [422, "The purchase has too few pieces left"],
  "too-many-requests": [429, "The caller asks for too much at once"],
  unavailable: [503, "The service is not available now"],
  "account-unreadable": [503, "The records of this account cannot be read"],
  "outcome-unknown": [504, "The outcome is unknown"],
  "not-current": [504, "The answer could not be made current in time"]
}

/** The whole answer with a JSON body. */
export const answered = (status: number, body: string, headers: Record<string, string> = {}): Seen => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  body
})

/** The whole answer of a problem, with all members and all headers. */
export const refusal = (
  kind: keyof typeof titles,
  detail: string,
  instance: string,
  headers: Record<string, string> = {}
): Seen => {
  const [status = 0, title = ""] = titles[kind] ?? []
  return {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
    body: JSON.stringify({ type: `urn:purchase-ledger:problem:${kind}`, title, status, detail, instance })
  }
}

/** The whole answer of a reversal of more pieces than are left. */
export const moreThanLeft = (detail: string, instance: string, left: number): Seen => {
  const answer = refusal("more-than-left", detail, instance)
  return { ...answer, body: `${answer.body.slice(0, -1)},"left":${left}}` }
}

/** The JSON text of a purchase: 2 lamps at 12.50 for ann. Members with `undefined` are left out. */
export const purchaseText = (members: Record<string, unknown> = {}): string =>
  JSON.stringify({ userId: "ann", productName: "Lamp", productType: "Office", value: 12.5, quantity: 2, ...members })

export const postTo = (app: Hono, body: Body, headers: Record<string, string> = {}): Promise<Seen> =>
  seen(app.request("/purchases", { method: "POST", body, headers: { "content-type": "application/json", ...headers } }))

/** The application over an edge's services, some of which a test may have replaced. */
export const appOn = (services: Context.Context<EdgeServices>, isDraining: boolean | (() => boolean) = false): Hono =>
  describedApp(
    makeApp({
      runPromiseExit: Effect.runPromiseExitWith(services),
      isDraining: typeof isDraining === "function" ? isDraining : () => isDraining
    })
  )

interface LoggedMessage {
  readonly sequence: number
  readonly subject: string
  readonly time: string
  readonly purchases: ReadonlyArray<{
    readonly purchaseId: string
    readonly userId: string
    readonly productName: string
    readonly productType: string
    readonly valueCents: number
    readonly quantity: number
  }>
}

/** Returns every message of the input log, read with the NATS client alone. */
export const inputMessages = async (client: NatsConnection): Promise<ReadonlyArray<LoggedMessage>> => {
  const manager = await client.jetstreamManager()
  const { state } = await manager.streams.info("PURCHASES")
  const sequences = Array.from({ length: state.messages }, (_, index) => state.first_seq + index)
  return Promise.all(
    sequences.map(async (seq) => {
      const message = await manager.streams.getMessage("PURCHASES", { seq })
      const { purchases } = message.json<Pick<LoggedMessage, "purchases">>()
      return { sequence: seq, subject: message.subject, time: message.time.toISOString(), purchases }
    })
  )
}

/** A broker, an edge and a worker of one test file. */
export interface TestService {
  readonly broker: TestBroker
  readonly settings: Settings
  readonly edge: TestEdge
  readonly client: NatsConnection
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Seen>
  readonly post: (body: Body, headers?: Record<string, string>) => Promise<Seen>
  /** Stores a message past the edge that cannot be applied. Returns its sequence when it is rejected. */
  readonly reject: (payload: string) => Promise<number>
  /** Starts the worker, if the service was started without a worker. */
  readonly startWorker: () => Promise<void>
  readonly stop: () => Promise<void>
}

export const startService = async (
  options: { readonly environment?: Record<string, string>; readonly withoutWorker?: true } = {}
): Promise<TestService> => {
  const broker = await TestBroker.start()
  const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: "2", ...options.environment })
  const edge = await startEdge(settings)
  const client = await connectAs("admin", broker.url, { maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  let worker: Awaited<ReturnType<typeof startWorker>> | undefined
  const start = async () => {
    worker = await startWorker(settings)
  }
  if (options.withoutWorker === undefined) await start()
  const get = (path: string, headers: Record<string, string> = {}) => seen(edge.app.request(path, { headers }))
  return {
    broker,
    settings,
    edge,
    client,
    get,
    post: (body, headers) => postTo(edge.app, body, headers),
    reject: async (payload) => {
      const { seq } = await (await client.jetstream()).publish("purchases.0.=many", payload)
      await until(`message ${seq} is rejected`, async () => (await get(`/rejected/${seq}/0`)).status === 200)
      return seq
    },
    startWorker: start,
    stop: async () => {
      await client.close()
      await edge.stop()
      await worker?.stop()
      await broker.stop()
    }
  }
}

/** Starts a service for all tests of this file or `describe`, and stops it after them. */
export const useService = (options: Parameters<typeof startService>[0] = {}): TestService =>
  startedBeforeAll(() => startService(options))
