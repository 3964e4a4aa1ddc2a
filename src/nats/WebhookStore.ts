import { Context, Duration, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import {
  alertsStream,
  alertSubject,
  deadSubject,
  deliveredSubject,
  webhookFilter,
  webhookSubject
} from "../protocol/Subject.ts"
import {
  type DeadLetter,
  deadLettersIn,
  decodeDeliveryState,
  decodeWebhook,
  type DeliveryState,
  encodeDeadLetter,
  encodeDeliveryState,
  encodeRevived,
  encodeWebhook,
  removedWebhook,
  type Webhook
} from "../protocol/Webhook.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { type BrokerConnection, Connection } from "./client/Connection.ts"
import { askJetStream, readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"

/**
 * The most messages about the dead letters of one webhook. If a webhook has more messages about dead letters, the
 * oldest messages are dropped.
 */
export const deadLettersMax = 1_000
const deadPageBytes = 256 * 1_024

/**
 * The time after which the broker drops the mark of a removed webhook. When {@link removedFor} is over, every judge has
 * read the mark, or has begun again and read all webhooks.
 */
const removedFor = Duration.hours(1)

/** A webhook that was read from the stream of alerts. `webhook` is `undefined` if the user has no webhook. */
export interface StoredWebhook {
  readonly webhook: Webhook | undefined
  /** The sequence of the newest value of the webhook's key; 0 before the first value. */
  readonly sequence: number
}

/**
 * The state of the deliveries to a webhook, read from the stream of alerts. `state` is `undefined` before the first
 * delivery.
 */
export interface StoredDeliveryState {
  readonly state: DeliveryState | undefined
  readonly sequence: number
}

type Conditional<A> = Effect.Effect<A, BrokerFailure | CommitConflict>

type Asking = Pick<BrokerConnection, "request" | "requestAll" | "hasMajority" | "noteStored">

const newest = (connection: Asking, subject: string) => readMessage(connection, alertsStream, { last_by_subj: subject })

const purge = (connection: Asking, filter: string, rest: object = {}) =>
  askJetStream<object>(connection, `STREAM.PURGE.${alertsStream}`, { filter, ...rest })

const streamState = (connection: Asking, query: object) =>
  askJetStream<{ readonly state: { readonly last_seq: number }; readonly total?: number }>(
    connection,
    `STREAM.INFO.${alertsStream}`,
    query
  )

const makeWebhooks = (connection: Asking) => {
  const find = (ownerToken: string): Effect.Effect<StoredWebhook, BrokerFailure> =>
    Effect.map(newest(connection, webhookSubject(ownerToken)), (found) => ({
      webhook: found && decodeWebhook(found.text),
      sequence: found?.sequence ?? 0
    }))

  const write = (ownerToken: string, webhook: Webhook, at: number): Conditional<number> =>
    appendMessage(connection, {
      operation: "store the webhook",
      subject: webhookSubject(ownerToken),
      payload: encodeWebhook(webhook),
      after: at,
      replaces: true
    })

  const remove = (ownerToken: string, at: number): Conditional<void> =>
    appendMessage(connection, {
      operation: "remove the webhook",
      subject: webhookSubject(ownerToken),
      payload: removedWebhook,
      after: at,
      replaces: true,
      secondsToLive: Duration.toSeconds(removedFor)
    }).pipe(
      Effect.andThen(purge(connection, deliveredSubject(ownerToken))),
      Effect.andThen(purge(connection, deadSubject(ownerToken))),
      Effect.asVoid
    )

  // For an offset beyond the number of keys, the broker returns the number of keys without a list of the keys.
  const counting = { subjects_filter: webhookFilter, offset: Number.MAX_SAFE_INTEGER }
  const count = Effect.map(streamState(connection, counting), ({ total }) => total ?? 0)
  return { find, write, remove, count }
}

const makeStates = (connection: Asking) => {
  const state = (ownerToken: string): Effect.Effect<StoredDeliveryState, BrokerFailure> =>
    Effect.map(newest(connection, deliveredSubject(ownerToken)), (found) => ({
      state: found && decodeDeliveryState(found.text),
      sequence: found?.sequence ?? 0
    }))

  const writeState = (ownerToken: string, written: DeliveryState, at: number): Conditional<number> =>
    appendMessage(connection, {
      operation: "store how far the webhook is",
      subject: deliveredSubject(ownerToken),
      payload: encodeDeliveryState(written),
      after: at,
      replaces: true
    })

  return { state, writeState }
}

const makeDeadLetters = (connection: Asking) => {
  const append = (operation: string, ownerToken: string, payload: string) =>
    appendMessage(connection, { operation, subject: deadSubject(ownerToken), payload }).pipe(
      Effect.catchTag("CommitConflict", (lost) => Effect.die(lost)),
      Effect.andThen(purge(connection, deadSubject(ownerToken), { keep: deadLettersMax })),
      Effect.asVoid
    )

  const deadLetters = Effect.fnUntraced(function* (ownerToken: string) {
    const texts: Array<string> = []
    const query = { subject: deadSubject(ownerToken), messagesMax: deadLettersMax, bytesMax: deadPageBytes }
    for (let from = 1; texts.length < deadLettersMax;) {
      const page = yield* readPage(connection, alertsStream, { ...query, from })
      const last = page.at(-1)
      if (last === undefined) break
      texts.push(...page.map(({ text }) => text))
      from = last.sequence + 1
    }
    return deadLettersIn(texts)
  })

  return {
    bury: (ownerToken: string, letter: DeadLetter) =>
      append("store a dead letter", ownerToken, encodeDeadLetter(letter)),
    revive: (ownerToken: string, id: number) => append("store a delivery", ownerToken, encodeRevived(id)),
    deadLetters
  }
}

const makeAlertReads = (connection: Asking) => ({
  lastSequence: Effect.map(streamState(connection, {}), ({ state }) => state.last_seq),
  nextAlerts: (ownerToken: string, after: number) =>
    readMessage(connection, alertsStream, { seq: after + 1, next_by_subj: alertSubject(ownerToken) }),
  alertsAt: (ownerToken: string, sequence: number) =>
    Effect.map(readMessage(connection, alertsStream, { seq: sequence }), (found) =>
      found?.subject === alertSubject(ownerToken) ? found : undefined
    )
})

/**
 * Reads and writes the webhooks of users, and the state of the deliveries to webhooks. Edges write webhooks, and judges
 * write states of deliveries. All reads come from the leader of the stream of alerts. A write with the argument `at`
 * fails with `CommitConflict` unless `at` is the sequence of the newest value of the key.
 */
export class WebhookStore extends Context.Service<
  WebhookStore,
  {
    readonly find: (ownerToken: string) => Effect.Effect<StoredWebhook, BrokerFailure>
    /**
     * Replaces a webhook, and returns the sequence of the new value. The broker keeps only the new value of the
     * webhook.
     */
    readonly write: (ownerToken: string, webhook: Webhook, at: number) => Conditional<number>
    /** Removes a webhook with its secrets, the state of its deliveries, and its dead letters. */
    readonly remove: (ownerToken: string, at: number) => Conditional<void>
    /**
     * Returns the number of users with a webhook. The number includes webhooks that were removed within the last hour.
     */
    readonly count: Effect.Effect<number, BrokerFailure>
    /** Returns the last sequence of the stream of alerts. */
    readonly lastSequence: Effect.Effect<number, BrokerFailure>
    readonly state: (ownerToken: string) => Effect.Effect<StoredDeliveryState, BrokerFailure>
    /** Replaces the state of the deliveries to a webhook, and returns the sequence of the new value. */
    readonly writeState: (ownerToken: string, state: DeliveryState, at: number) => Conditional<number>
    /**
     * Returns the first message of a user's alerts after a sequence; `undefined` if the user has no alerts after the
     * sequence.
     */
    readonly nextAlerts: (ownerToken: string, after: number) => Effect.Effect<StoredMessage | undefined, BrokerFailure>
    /**
     * Returns the message of a user's alerts at a sequence; `undefined` if the stream has no message of the user's
     * alerts at the sequence.
     */
    readonly alertsAt: (ownerToken: string, sequence: number) => Effect.Effect<StoredMessage | undefined, BrokerFailure>
    readonly bury: (ownerToken: string, letter: DeadLetter) => Effect.Effect<void, BrokerFailure>
    /** Writes that the alert of a dead letter was delivered, so that the alert is no dead letter any more. */
    readonly revive: (ownerToken: string, id: number) => Effect.Effect<void, BrokerFailure>
    /** Returns the dead letters of a user, oldest first. */
    readonly deadLetters: (ownerToken: string) => Effect.Effect<ReadonlyArray<DeadLetter>, BrokerFailure>
  }
>()("purchases/nats/WebhookStore") {
  static readonly layer = Layer.effect(
    WebhookStore,
    Effect.map(Effect.service(Connection), (connection) =>
      WebhookStore.of({
        ...makeWebhooks(connection),
        ...makeStates(connection),
        ...makeDeadLetters(connection),
        ...makeAlertReads(connection)
      })
    )
  )
}
