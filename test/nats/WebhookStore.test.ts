import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { appendMessage } from "../../src/nats/client/ConditionalAppend.ts"
import { askJetStream } from "../../src/nats/client/JetStreamApi.ts"
import { SendTransport } from "../../src/nats/SendTransport.ts"
import { alertStreamLayer } from "../support/AlertStreamLayer.ts"
import { WebhookStore } from "../../src/nats/WebhookStore.ts"
import { alertsStream, alertSubject } from "../../src/protocol/Subject.ts"
import type { DeadLetter, Webhook } from "../../src/protocol/Webhook.ts"
import { failureOf } from "../../src/runtime/ExitFailure.ts"
import { newSecret } from "../../src/webhook/Signature.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

const webhook: Webhook = {
  url: "https://example.org/",
  enabled: true,
  secret: newSecret(),
  previous: [],
  after: 0,
  begunAt: 1
}
const letter = (id: number): DeadLetter => ({
  id,
  at: 1,
  status: 400,
  reason: "The endpoint refused it.",
  answer: "no"
})

describe("the webhooks on a broker", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  let runtime: ManagedRuntime.ManagedRuntime<WebhookStore | SendTransport | Connection, unknown>

  beforeAll(() => {
    runtime = ManagedRuntime.make(
      Layer.merge(WebhookStore.layer, SendTransport.layer).pipe(Layer.provideMerge(alertStreamLayer(broker.url)))
    )
  })
  afterAll(() => runtime.dispose())

  const run = async <A, E>(effect: Effect.Effect<A, E, WebhookStore | SendTransport | Connection>): Promise<A | E> => {
    const exit = await runtime.runPromiseExit(effect)
    return Exit.isSuccess(exit) ? exit.value : (failureOf(exit) as E)
  }
  const store = <A, E>(use: (store: (typeof WebhookStore)["Service"]) => Effect.Effect<A, E>) =>
    run(Effect.flatMap(WebhookStore, use))
  /** Returns the number of messages of the stream on each subject of a user. */
  const counts = (token: string) =>
    run(
      Effect.flatMap(Connection, (connection) =>
        askJetStream<{ state: { subjects?: Record<string, number> } }>(connection, `STREAM.INFO.${alertsStream}`, {
          subjects_filter: `$KV.alerts.*.${token}`
        })
      ).pipe(Effect.map(({ state }) => state.subjects ?? {}))
    )

  it("a webhook is written by compare-and-set, and a write replaces all earlier values", async () => {
    expect(await store((real) => real.find("ann"))).toEqual({ webhook: undefined, sequence: 0 })
    const first = Number(await store((real) => real.write("ann", webhook, 0)))
    expect(await store((real) => real.write("ann", webhook, 0))).toMatchObject({ _tag: "CommitConflict" })
    const second = Number(await store((real) => real.write("ann", { ...webhook, enabled: false }, first)))
    expect(await store((real) => real.find("ann"))).toEqual({
      webhook: { ...webhook, enabled: false },
      sequence: second
    })
    expect(await counts("ann")).toEqual({ "$KV.alerts.webhook.ann": 1 })
  })

  it("a new state of deliveries replaces the former state, and a write that expects an older one is refused", async () => {
    const state = { through: 3, begunAt: 1, failures: 0 }
    const first = Number(await store((real) => real.writeState("bob", state, 0)))
    await store((real) => real.writeState("bob", { ...state, through: 4 }, first))
    expect(await store((real) => real.writeState("bob", state, first))).toMatchObject({ _tag: "CommitConflict" })
    expect(await store((real) => real.state("bob"))).toMatchObject({ state: { through: 4 } })
    expect(await counts("bob")).toEqual({ "$KV.alerts.delivered.bob": 1 })
  })

  it("a removed webhook leaves no secret, no state and no dead letter, and can be set again", async () => {
    const at = Number(await store((real) => real.write("cat", webhook, 0)))
    await store((real) => real.writeState("cat", { through: 3, begunAt: 1, failures: 0 }, 0))
    await store((real) => real.bury("cat", letter(3)))
    expect(await store((real) => real.remove("cat", at))).toBeUndefined()
    const found = await store((real) => real.find("cat"))
    expect(found).toMatchObject({ webhook: undefined })
    expect(await counts("cat")).toEqual({ "$KV.alerts.webhook.cat": 1 })
    expect(await store((real) => real.write("cat", webhook, "sequence" in found ? found.sequence : -1))).toBeTypeOf(
      "number"
    )
  })

  it("dead letters are read oldest first and once each, without those that were delivered later", async () => {
    for (const id of [5, 6, 6, 7]) await store((real) => real.bury("dan", letter(id)))
    await store((real) => real.revive("dan", 5))
    expect(await store((real) => real.deadLetters("dan"))).toEqual([letter(6), letter(7)])
    expect(await store((real) => real.deadLetters("nobody"))).toEqual([])
  })

  it("each user with a webhook is counted once", async () => {
    const before = Number(await store((real) => real.count))
    const at = Number(await store((real) => real.write("eve", webhook, 0)))
    await store((real) => real.write("eve", webhook, at))
    await store((real) => real.write("fay", webhook, 0))
    expect(await store((real) => real.count)).toBe(before + 2)
  })

  it("the next alerts of a user behind a sequence are found, and never the alerts of another user", async () => {
    const alert = (token: string) =>
      run(
        Effect.flatMap(Connection, (connection) =>
          appendMessage(connection, { operation: "alert", subject: alertSubject(token), payload: "[]" })
        )
      )
    const first = Number(await alert("gus"))
    const other = Number(await alert("hal"))
    const second = Number(await alert("gus"))
    expect(await store((real) => real.nextAlerts("gus", 0))).toMatchObject({ sequence: first, text: "[]" })
    expect(await store((real) => real.nextAlerts("gus", first))).toMatchObject({ sequence: second })
    expect(await store((real) => real.nextAlerts("gus", second))).toBeUndefined()
    expect(await store((real) => real.alertsAt("gus", other))).toBeUndefined()
    expect(await store((real) => real.lastSequence)).toBe(second)
  })

  it("a judge answers a request for a delivery, and the request fails at once while no judge runs", async () => {
    const ask = Effect.flatMap(SendTransport, (transport) => transport.ask("ann", { kind: "again", id: 7 }))
    expect(await run(ask)).toMatchObject({ _tag: "BrokerUnavailable" })
    const seen: Array<unknown> = []
    const served = Effect.scoped(
      Effect.gen(function* () {
        const transport = yield* SendTransport
        yield* transport.serve((token, request, reply) => {
          seen.push([token, request])
          reply({ kind: "gone" })
        })
        return yield* transport.ask("ann", { kind: "again", id: 7 })
      })
    )
    expect(await run(served)).toEqual({ kind: "gone" })
    await until("the request came", () => seen.length === 1)
    expect(seen).toEqual([["ann", { kind: "again", id: 7 }]])
  })
})
