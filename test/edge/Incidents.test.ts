import { Context, Effect, Exit, Logger, References } from "effect"
import { describe, expect, it } from "vitest"
import { makeApp } from "../../src/edge/server/App.ts"
import type { EdgeServices } from "../../src/edge/runtime/EdgeRuntime.ts"
import { Incidents } from "../../src/edge/runtime/Incidents.ts"
import { BrokerRefused } from "../../src/protocol/BrokerError.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { purchaseText, useService } from "../support/TestService.ts"

interface Logged {
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** A refusal as the broker words it, with a subject of its API and an error code. */
const inWordsOfTheBroker = new BrokerRefused({
  operation: "store purchases",
  code: 10_999,
  reason: "STREAM.MSG.GET.KV_journal failed with 10999"
})

describe("an incident", () => {
  const service = useService({ withoutWorker: true })

  /** Returns an edge over replaced services, and everything that it logs. */
  const loggingApp = (services: Context.Context<EdgeServices>) => {
    const logged: Array<Logged> = []
    const logger = Logger.make<unknown, void>(({ message, fiber }) => {
      logged.push({ message, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    })
    const run = Effect.runPromiseExitWith(services)
    const app = makeApp({
      runPromiseExit: (effect, options) =>
        run(
          effect.pipe(
            Effect.provide(Logger.layer([logger])),
            Effect.provideService(References.MinimumLogLevel, "Info")
          ),
          options
        ),
      isDraining: () => false
    })
    return { app, logged }
  }

  const failingWith = (failure: BrokerRefused) => {
    const real = Context.get(service.edge.services, PurchasePublisher)
    const submitted = Effect.succeed(Effect.succeed([Exit.fail(failure)]))
    return Context.add(service.edge.services, PurchasePublisher, {
      ...real,
      publish: () => Effect.fail(failure),
      submit: () => submitted as never
    } as never)
  }

  const post = (app: ReturnType<typeof loggingApp>["app"]) =>
    app.request("/purchases", {
      method: "POST",
      body: purchaseText(),
      headers: { "content-type": "application/json" }
    })

  it("a problem of the service has an id that the log has, and the words of the broker are in the log only", async () => {
    const { app, logged } = loggingApp(failingWith(inWordsOfTheBroker))
    const answer = await post(app)
    const body = await answer.text()
    expect(answer.status).toBe(503)
    const { incident, detail } = JSON.parse(body)
    expect(incident).toMatch(/^[0-9a-f]{12}$/)
    expect(detail).toBe("Could not store purchases: the broker refused. Nothing was changed; try again.")
    for (const word of ["STREAM", "KV_journal", "10999", "10_999"]) expect(body).not.toContain(word)
    expect(logged).toEqual([
      {
        message: ["a request was not served", expect.stringContaining("STREAM.MSG.GET.KV_journal failed with 10999")],
        annotations: expect.objectContaining({ incident, kind: "unavailable", instance: "/purchases" })
      }
    ])
  })

  it("requests that fail for one cause at once have one incident id, and the log has one line", async () => {
    const { app, logged } = loggingApp(failingWith(inWordsOfTheBroker))
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(app)))
    const ids = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { incident: string }).incident)
    )
    // A second may begin between two of the requests.
    expect(new Set(ids).size).toBeLessThanOrEqual(2)
    expect(logged.map(({ annotations }) => annotations["incident"])).toEqual([...new Set(ids)])
  })

  it("the problem of a wrong request has no incident id, and the log has no line about the request", async () => {
    const { app, logged } = loggingApp(service.edge.services)
    const answer = await app.request("/purchases", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "text/x" }
    })
    expect(((await answer.json()) as { incident?: string }).incident).toBeUndefined()
    expect(logged).toEqual([])
  })

  it("/readyz names a stream that is gone in plain words", async () => {
    const gone = new BrokerRefused({ operation: "read", code: 10_059, reason: "stream not found", plain: "gone" })
    const real = Context.get(service.edge.services, InputLog)
    const { app } = loggingApp(Context.add(service.edge.services, InputLog, { ...real, capacity: Effect.fail(gone) }))
    const answer = await app.request("/readyz")
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain(
      "Purchases cannot be stored: the input log is gone from the broker. Restore it from a backup, or create it with main.ts --role setup."
    )
  })
})

describe("Incidents", () => {
  it("the same failure has one incident id for a second, and another incident id after that second", () => {
    const incidents = new Incidents()
    const first = incidents.of("gone", 0)
    expect(first.isNew).toBe(true)
    expect(incidents.of("gone", 999)).toEqual({ id: first.id, isNew: false })
    expect(incidents.of("full", 999)).toMatchObject({ isNew: true })
    const later = incidents.of("gone", 1_000)
    expect(later.isNew).toBe(true)
    expect(later.id).not.toBe(first.id)
  })

  it("many different failures in one second share an id, so that the log stays short", () => {
    const incidents = new Incidents()
    const found = Array.from({ length: 1_000 }, (_, number) => incidents.of(`failure ${number}`, 0))
    expect(found.filter(({ isNew }) => isNew).length).toBeLessThanOrEqual(65)
    expect(found.at(-1)?.id).toBe(found.at(-2)?.id)
  })
})
