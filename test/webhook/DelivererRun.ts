import { type Duration, Effect, Exit, Layer, Logger, ManagedRuntime, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Webhook as Verifier } from "standardwebhooks"
import { until } from "../../src/harness/system/TestBroker.ts"
import { appendMessage } from "../../src/nats/client/ConditionalAppend.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { SendTransport } from "../../src/nats/SendTransport.ts"
import { WebhookFeed } from "../../src/nats/WebhookFeed.ts"
import { alertStreamLayer } from "../support/AlertStreamLayer.ts"
import { WebhookStore } from "../../src/nats/WebhookStore.ts"
import { alertSubject } from "../../src/protocol/Subject.ts"
import type { DeliveryState, Webhook, WebhookSecret } from "../../src/protocol/Webhook.ts"
import { runDeliverer } from "../../src/webhook/Deliverer.ts"
import type { AlertView } from "../../src/webhook/Payload.ts"
import { newSecret } from "../../src/webhook/Signature.ts"
import { NameResolver, openTargetRules, TargetRules } from "../../src/webhook/Target.ts"
import type { Received } from "./AlertEndpoint.ts"

/** Provides the services of webhooks on a broker. */
export const webhookServices = (url: string) =>
  Layer.mergeAll(WebhookFeed.layer, SendTransport.layer).pipe(
    Layer.provideMerge(WebhookStore.layer),
    Layer.provideMerge(alertStreamLayer(url))
  )

/** An `AlertView` that shows alerts exactly as the test stored them. */
export const plainView: AlertView = {
  alertsOf: (_userId, { text }) => JSON.parse(text),
  linkTo: (userId, { sequence }) => `/alerts of ${userId} at ${sequence}`
}

type Services = WebhookStore | WebhookFeed | SendTransport | Connection

interface Options {
  readonly rules?: (typeof TargetRules)["Service"]
  readonly resolver?: (typeof NameResolver)["Service"]
  /** Replaces functions of the store that the deliverer uses. */
  readonly store?: (real: (typeof WebhookStore)["Service"]) => (typeof WebhookStore)["Service"]
}

/** The webhook of one user, and a deliverer for this user whose clock the test turns. */
export class DelivererRun {
  readonly userId: string
  readonly secret: WebhookSecret = newSecret()
  readonly logged: Array<string> = []
  private readonly runtime: ManagedRuntime.ManagedRuntime<Services, unknown>
  private readonly replace: NonNullable<Options["store"]>
  private scope: Scope.Closeable | undefined
  private begunAt = 0

  constructor(brokerUrl: string, userId: string, { rules = openTargetRules, resolver, store }: Options = {}) {
    this.userId = userId
    this.replace = store ?? ((real) => real)
    const log = Logger.make(
      ({ message, fiber: _fiber, ...rest }) => void this.logged.push(JSON.stringify([message, rest]))
    )
    this.runtime = ManagedRuntime.make(
      webhookServices(brokerUrl).pipe(
        Layer.provideMerge(TestClock.layer()),
        Layer.provideMerge(Logger.layer([log])),
        Layer.provideMerge(Layer.succeed(TargetRules, rules)),
        Layer.provideMerge(resolver === undefined ? Layer.empty : Layer.succeed(NameResolver, resolver))
      )
    )
  }

  run<A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> {
    return this.runtime.runPromise(effect)
  }

  store<A, E>(use: (store: (typeof WebhookStore)["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.run(Effect.flatMap(WebhookStore, use))
  }

  /** Starts the deliverer. At first, the clock of the deliverer shows the time of the test's machine. */
  async start(): Promise<void> {
    await this.run(TestClock.setTime(Date.now()))
    const scope = await Effect.runPromise(Scope.make())
    this.scope = scope
    await this.run(
      runDeliverer({ owns: (ownerToken) => ownerToken === this.userId, view: plainView }).pipe(
        Effect.updateService(WebhookStore, this.replace),
        Scope.provide(scope)
      )
    )
  }

  async stopDeliverer(): Promise<void> {
    if (this.scope !== undefined) await this.run(Scope.close(this.scope, Exit.void))
    this.scope = undefined
  }

  async stop(): Promise<void> {
    await this.stopDeliverer()
    await this.runtime.dispose()
  }

  /** Turns the clock of the deliverer. */
  pass(time: Duration.Input): Promise<void> {
    return this.run(TestClock.adjust(time))
  }

  /** Turns the clock of the deliverer to a time, in milliseconds since 1970. */
  passUntil(time: number): Promise<void> {
    return this.run(TestClock.setTime(time))
  }

  /** Stores the webhook, which gets the alerts that come from now on. */
  async set(url: string, members: Partial<Webhook> = {}): Promise<void> {
    this.begunAt += 1
    const { webhook, sequence } = await this.store((store) => store.find(this.userId))
    const after = webhook?.after ?? (await this.store((store) => store.lastSequence))
    const wanted = { url, enabled: true, secret: this.secret, previous: [], after, begunAt: this.begunAt, ...members }
    await this.store((store) => store.write(this.userId, wanted, sequence))
  }

  /** Stores alerts of the user, as a judge does, and returns the id of their delivery. */
  async alert(text: string = JSON.stringify([{ id: "1.1.0.1" }])): Promise<string> {
    const stored = Effect.flatMap(Connection, (connection) =>
      appendMessage(connection, { operation: "alert", subject: alertSubject(this.userId), payload: text })
    )
    return String(await this.run(stored))
  }

  async state(): Promise<DeliveryState | undefined> {
    return (await this.store((store) => store.state(this.userId))).state
  }

  /**
   * Waits until the stored state of the deliveries fulfils a condition. The clock of the deliverer stands still, so a
   * second write of the state within 100 ms waits.
   */
  async untilState(what: string, holds: (state: DeliveryState | undefined) => boolean): Promise<DeliveryState> {
    let state: DeliveryState | undefined
    await until(
      what,
      async () => {
        state = await this.state()
        return holds(state)
      },
      10_000
    )
    return state as DeliveryState
  }

  /**
   * Returns the content of a delivery whose signature the package standardwebhooks accepts. Throws for any other
   * delivery.
   */
  verified(received: Received | undefined): unknown {
    if (received === undefined) throw new Error("there is no delivery")
    const { headers, body } = received
    return new Verifier(Redacted.value(this.secret)).verify(body, headers as Record<string, string>)
  }
}
