import { Clock, Duration, Effect, Queue, Random, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { DeadLetter, DeliveryState, Webhook } from "../protocol/Webhook.ts"
import type { SendReply, SendRequest } from "../protocol/WebhookSend.ts"
import { SendTransport } from "../nats/SendTransport.ts"
import { type WebhookEvents, WebhookFeed } from "../nats/WebhookFeed.ts"
import { WebhookStore } from "../nats/WebhookStore.ts"
import { type Fork, forkInScope } from "../runtime/ForkInScope.ts"
import { attemptDelivery } from "./Attempt.ts"
import { type Outcome, type Step, stepAfter } from "./Backoff.ts"
import { type Asked, Endpoint } from "./Endpoint.ts"
import { type AlertMessage, alertsBody, type AlertView, testBody } from "./Payload.ts"
import { stateAfter, stateFor } from "./Progress.ts"
import { secretsAt, signedHeaders } from "./Signature.ts"
import { StateWriter } from "./StateWriter.ts"

/** The most attempts to deliver that one judge makes at once. */
export const socketsMax = 64
/**
 * The most webhooks that a judge delivers to. Webhooks above this number get no deliveries, and the judge logs a
 * warning.
 */
export const endpointsMax = 100_000
/** The most deliveries to one endpoint that the owner asked for and that wait. */
const askedMax = 16
/** The wait before the work for an endpoint is tried again after a failure of the broker. */
const brokerWait = Duration.seconds(1)
/**
 * The wait before the work for an endpoint is tried again after an unexpected failure, for example a stored text that
 * cannot be read.
 */
const mistakeWait = Duration.minutes(1)

interface Sent {
  readonly outcome: Outcome
  readonly step: Step
  readonly now: number
}

const attemptSigned = Effect.fnUntraced(function* (webhook: Webhook, id: string, body: string) {
  const begun = yield* Clock.currentTimeMillis
  const signed = { id, timestamp: Math.floor(begun / 1_000), body }
  const headers = { "content-type": "application/json", ...signedHeaders(secretsAt(webhook, begun), signed) }
  return yield* attemptDelivery({ url: new URL(webhook.url), headers, body })
})

/**
 * Sends one signed delivery to a webhook, and decides the step after the attempt. If `body` is an outcome, makes no
 * attempt.
 */
const sendSigned = Effect.fnUntraced(function* (
  webhook: Webhook,
  id: string,
  body: string | Outcome,
  state: Pick<DeliveryState, "failures" | "failingSince">
): Effect.fn.Return<Sent> {
  const outcome = typeof body === "string" ? yield* attemptSigned(webhook, id, body) : body
  const now = yield* Clock.currentTimeMillis
  return { outcome, step: stepAfter(outcome, state, now, yield* Random.next), now }
})

const replyOf = ({ outcome, step }: Sent): SendReply => ({
  kind: "attempted",
  isDelivered: step.kind === "next",
  ...(outcome.kind === "answered" ? { status: outcome.status } : {}),
  ...(step.kind === "next" ? {} : { reason: step.reason }),
  answer: outcome.kind === "answered" ? outcome.answer : ""
})

const deadLetterOf = (id: number, { outcome, now }: Sent, reason: string): DeadLetter => ({
  id,
  at: now,
  reason,
  ...(outcome.kind === "answered" ? { status: outcome.status } : {}),
  answer: outcome.kind === "answered" ? outcome.answer : ""
})

export interface DelivererSettings {
  /** Returns whether this process delivers to the webhook of a user. */
  readonly owns: (ownerToken: string) => boolean
  readonly view: AlertView
}

/** The endpoints of a judge, and the queue of the endpoints that have work. */
class Deliveries implements WebhookEvents {
  private readonly endpoints = new Map<string, Endpoint>()
  private readonly owns: DelivererSettings["owns"]
  private readonly view: AlertView
  private readonly store: (typeof WebhookStore)["Service"]
  private readonly ready: Queue.Queue<Endpoint>
  private readonly fork: Fork
  private readonly writer: StateWriter
  private isFull = false

  constructor(
    { owns, view }: DelivererSettings,
    store: (typeof WebhookStore)["Service"],
    ready: Queue.Queue<Endpoint>,
    fork: Fork,
    writer: StateWriter
  ) {
    this.owns = owns
    this.view = view
    this.store = store
    this.ready = ready
    this.fork = fork
    this.writer = writer
  }

  readonly began = (): void => {
    for (const endpoint of this.endpoints.values()) {
      endpoint.isCurrent = false
      endpoint.isCaughtUp = false
      this.enqueue(endpoint)
    }
  }

  readonly changed = (ownerToken: string, webhook: Webhook | undefined): void => {
    if (!this.owns(ownerToken)) return
    const known = this.endpoints.get(ownerToken)
    if (webhook === undefined) return this.drop(known)
    const endpoint = known ?? this.add(ownerToken, webhook)
    if (endpoint === undefined) return
    endpoint.webhook = webhook
    endpoint.isCurrent = true
    this.enqueue(endpoint)
  }

  readonly alerted = (ownerToken: string, sequence: number): void => {
    const endpoint = this.endpoints.get(ownerToken)
    if (endpoint === undefined) return
    endpoint.head = sequence
    // An endpoint whose timer runs goes into the queue when the timer ends.
    if (endpoint.timerAt === 0) this.enqueue(endpoint)
  }

  /** Takes a delivery that an owner asked for. Ignores the request if another judge delivers to the webhook. */
  readonly ask = (ownerToken: string, request: SendRequest, reply: Asked["reply"]): void => {
    if (!this.owns(ownerToken)) return
    const endpoint = this.endpoints.get(ownerToken)
    if (endpoint !== undefined) return this.addAsked(endpoint, { request, reply })
    // A webhook that was stored just now may not have come through the stream of webhooks yet.
    this.fork(
      Effect.map(this.store.find(ownerToken), ({ webhook }) => {
        if (webhook !== undefined && !this.endpoints.has(ownerToken)) this.changed(ownerToken, webhook)
        const found = this.endpoints.get(ownerToken)
        if (found === undefined) reply({ kind: "missing" })
        else this.addAsked(found, { request, reply })
      })
    )
  }

  /** Takes one endpoint after the other from the queue, and makes its deliveries, without end. */
  readonly work: Effect.Effect<never> = Effect.suspend(() =>
    Effect.flatMap(Queue.take(this.ready), (endpoint) => this.workFor(endpoint))
  ).pipe(Effect.forever)

  private add(ownerToken: string, webhook: Webhook): Endpoint | undefined {
    if (this.endpoints.size >= endpointsMax) {
      if (!this.isFull)
        this.fork(Effect.logWarning(`there are more than ${endpointsMax} webhooks; the rest gets nothing`))
      this.isFull = true
      return undefined
    }
    const endpoint = new Endpoint(ownerToken, webhook)
    this.endpoints.set(ownerToken, endpoint)
    return endpoint
  }

  private addAsked(endpoint: Endpoint, asked: Asked): void {
    if (endpoint.asked.length >= askedMax) return asked.reply({ kind: "busy" })
    endpoint.asked.push(asked)
    this.enqueue(endpoint)
  }

  private drop(endpoint: Endpoint | undefined): void {
    if (endpoint === undefined) return
    endpoint.webhook = undefined
    this.endpoints.delete(endpoint.ownerToken)
    for (const { reply } of endpoint.asked.splice(0)) reply({ kind: "missing" })
  }

  private enqueue(endpoint: Endpoint): void {
    if (endpoint.isBusy) endpoint.isWanted = true
    else if (!endpoint.isQueued) {
      endpoint.isQueued = true
      Queue.offerUnsafe(this.ready, endpoint)
    }
  }

  private enqueueAt(endpoint: Endpoint, at: number, now: number): void {
    if (endpoint.timerAt === at) return
    endpoint.timerAt = at
    this.fork(
      Effect.map(Effect.sleep(Duration.millis(at - now)), () => {
        if (endpoint.timerAt !== at) return
        endpoint.timerAt = 0
        this.enqueue(endpoint)
      })
    )
  }

  private readonly workFor = (endpoint: Endpoint): Effect.Effect<void> =>
    Effect.suspend(() => {
      endpoint.isQueued = false
      endpoint.isBusy = true
      return this.turn(endpoint)
    }).pipe(
      Effect.catch(() => this.waitFor(endpoint, brokerWait)),
      Effect.catchDefect((mistake) =>
        Effect.andThen(
          Effect.logError("a webhook cannot be delivered to", mistake).pipe(
            Effect.annotateLogs({ userId: endpoint.userId })
          ),
          this.waitFor(endpoint, mistakeWait)
        )
      ),
      Effect.ensuring(
        Effect.sync(() => {
          endpoint.isBusy = false
          if (!endpoint.isWanted) return
          endpoint.isWanted = false
          this.enqueue(endpoint)
        })
      )
    )

  private readonly waitFor = (endpoint: Endpoint, wait: Duration.Duration) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      endpoint.isWanted = false
      this.enqueueAt(endpoint, now + Duration.toMillis(wait), now)
    })

  /** Makes the deliveries that the owner asked for, and then one attempt to deliver the next alert. */
  private readonly turn = (endpoint: Endpoint): Effect.Effect<void, BrokerFailure> =>
    Effect.gen({ self: this }, function* () {
      const { ownerToken } = endpoint
      if (!endpoint.isCurrent) yield* this.refresh(endpoint)
      for (let asked = endpoint.asked.shift(); asked !== undefined; asked = endpoint.asked.shift()) {
        asked.reply(yield* this.sendAsked(endpoint, asked.request))
      }
      const { webhook } = endpoint
      if (webhook === undefined || !webhook.enabled) return
      const state = yield* this.loaded(endpoint, webhook)
      const now = yield* Clock.currentTimeMillis
      if (state.paused !== undefined) return
      if (state.retryAt !== undefined && state.retryAt > now) return this.enqueueAt(endpoint, state.retryAt, now)
      if (!endpoint.mayHaveAlerts(state.through)) return
      const found = yield* this.store.nextAlerts(ownerToken, state.through)
      if (found === undefined) {
        // An alert that came during the read has raised `head`, and has put the endpoint into the queue again.
        endpoint.isCaughtUp = true
        return
      }
      endpoint.isWanted = true
      // The stream of webhooks may bring the removal of a webhook later than an alert that was stored after the removal.
      const { webhook: stored } = yield* this.store.find(ownerToken)
      if (stored?.begunAt === webhook.begunAt) yield* this.deliver(endpoint, webhook, state, found)
      else endpoint.isCurrent = false
    })

  /**
   * Reads the webhook again, because it may have been removed or changed while the stream of webhooks was not followed.
   */
  private readonly refresh = (endpoint: Endpoint): Effect.Effect<void, BrokerFailure> =>
    Effect.map(this.store.find(endpoint.ownerToken), ({ webhook }) => {
      if (endpoint.isCurrent) return
      endpoint.isCurrent = true
      if (webhook === undefined) this.drop(endpoint)
      else endpoint.webhook = webhook
    })

  private readonly loaded = (endpoint: Endpoint, webhook: Webhook): Effect.Effect<DeliveryState, BrokerFailure> =>
    Effect.gen({ self: this }, function* () {
      if (!endpoint.isLoaded) {
        const { state, sequence } = yield* this.store.state(endpoint.ownerToken)
        endpoint.state = state
        endpoint.stateSequence = sequence
        endpoint.isLoaded = true
      }
      const state = stateFor(webhook, endpoint.state)
      endpoint.state = state
      return state
    })

  private readonly deliver = (endpoint: Endpoint, webhook: Webhook, state: DeliveryState, found: AlertMessage) =>
    Effect.gen({ self: this }, function* () {
      const { ownerToken, userId } = endpoint
      const sent = yield* sendSigned(webhook, String(found.sequence), alertsBody(this.view, userId, found), state)
      const { step, outcome, now } = sent
      if (step.kind === "bury") yield* this.store.bury(ownerToken, deadLetterOf(found.sequence, sent, step.reason))
      // During the attempt, another judge may have delivered the alert, and the owner may have changed the webhook.
      const before = endpoint.webhook === undefined ? undefined : stateFor(endpoint.webhook, endpoint.state)
      if (before === undefined || before.through >= found.sequence) return
      const isFailure = step.kind === "again" || step.kind === "pause"
      if (isFailure && before.begunAt !== state.begunAt) return
      endpoint.state = stateAfter(before, found.sequence, outcome, step, now)
      this.writer.save(endpoint)
      if (step.kind === "next") return
      yield* Effect.logInfo("a delivery to a webhook failed").pipe(
        Effect.annotateLogs({ userId, sequence: found.sequence, follows: step.kind, reason: step.reason })
      )
    })

  private readonly sendAsked = (endpoint: Endpoint, request: SendRequest): Effect.Effect<SendReply, BrokerFailure> =>
    Effect.gen({ self: this }, function* () {
      const { webhook, userId, ownerToken } = endpoint
      if (webhook === undefined) return { kind: "missing" }
      const first = { failures: 0 }
      if (request.kind === "test") {
        const body = testBody(userId, yield* Clock.currentTimeMillis)
        return replyOf(yield* sendSigned(webhook, request.id, body, first))
      }
      const found = yield* this.store.alertsAt(ownerToken, request.id)
      if (found === undefined) return { kind: "gone" }
      const sent = yield* sendSigned(webhook, String(request.id), alertsBody(this.view, userId, found), first)
      if (sent.step.kind === "next") yield* this.store.revive(ownerToken, request.id)
      return replyOf(sent)
    })
}

/**
 * Delivers alerts to the webhooks of the users that `owns` chooses, until the Effect scope closes. If two processes
 * deliver to the webhook of one user, alerts are delivered twice under the same id, and no alert is lost.
 */
export const runDeliverer = (
  settings: DelivererSettings
): Effect.Effect<void, never, WebhookStore | WebhookFeed | SendTransport | Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* WebhookStore
    const feed = yield* WebhookFeed
    const transport = yield* SendTransport
    // An endpoint is in the queue at most once.
    const ready = yield* Queue.unbounded<Endpoint>()
    const fork = yield* forkInScope()
    const writer = new StateWriter(store, fork)
    // The finalizer with the last writes is registered first, so it runs last, when no attempt changes a state any
    // more.
    yield* Effect.addFinalizer(() => writer.flush)
    const deliveries = new Deliveries(settings, store, ready, fork, writer)
    yield* transport.serve(deliveries.ask)
    for (let socket = 0; socket < socketsMax; socket += 1) yield* Effect.forkScoped(deliveries.work)
    yield* Effect.forkScoped(feed.follow(deliveries))
  })
