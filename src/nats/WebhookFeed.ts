import { Context, Duration, Effect, Layer } from "effect"
import { alertFilter, alertsStream, webhookFilter } from "../protocol/Subject.ts"
import { decodeWebhook, type Webhook } from "../protocol/Webhook.ts"
import { Connection } from "./client/Connection.ts"
import type { StoredMessage } from "./client/JetStreamApi.ts"
import { runStreamSession } from "./StreamSession.ts"
import { WebhookStore } from "./WebhookStore.ts"

/** The wait after the end of a session, before a judge follows the stream of webhooks in a new session. */
const retryWait = Duration.millis(250)

const tokenOf = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1)

/** The functions that `WebhookFeed` calls with changes of webhooks and with new alerts. */
export interface WebhookEvents {
  /**
   * Called when a session begins to follow the stream of webhooks. After `began`, `changed` is called for every
   * webhook, because changes between two sessions are missed. `changed` is not called for a webhook that was removed
   * between two sessions.
   */
  readonly began: () => void
  /** Called with a user's webhook, or with `undefined` if the user removed the webhook. */
  readonly changed: (ownerToken: string, webhook: Webhook | undefined) => void
  /** Called when the broker has stored a message with a user's alerts at a sequence. */
  readonly alerted: (ownerToken: string, sequence: number) => void
}

/** Follows all webhooks, the changes of webhooks, and the sequences of new alerts. */
export class WebhookFeed extends Context.Service<
  WebhookFeed,
  {
    /**
     * Calls the functions of `events` until the fiber is interrupted. After a lost connection, calls `began` again, and
     * then `changed` for all webhooks.
     */
    readonly follow: (events: WebhookEvents) => Effect.Effect<never>
  }
>()("purchases/nats/WebhookFeed") {
  static readonly layer = Layer.effect(
    WebhookFeed,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { lastSequence } = yield* WebhookStore

      const session = Effect.fnUntraced(function* ({ began, changed, alerted }: WebhookEvents) {
        // `alerted` is called for alerts behind the sequence `last`. After `began`, the caller of `follow` reads
        // earlier alerts itself.
        const last = yield* lastSequence
        began()
        const alerts = ({ subject, sequence }: StoredMessage) => alerted(tokenOf(subject), sequence)
        const webhooks = ({ subject, text }: StoredMessage) => changed(tokenOf(subject), decodeWebhook(text))
        // Each key of a webhook has only one value, because a new value replaces the old value.
        return yield* Effect.raceFirst(
          runStreamSession(connection, { stream: alertsStream, filter: alertFilter }, last, alerts),
          runStreamSession(connection, { stream: alertsStream, filter: webhookFilter }, 0, webhooks)
        )
      })

      const follow = (events: WebhookEvents) =>
        Effect.scoped(session(events)).pipe(
          Effect.catch((failure) => Effect.succeed(failure.message)),
          Effect.flatMap((reason) =>
            Effect.logInfo("following the webhooks again").pipe(Effect.annotateLogs({ reason }))
          ),
          Effect.andThen(Effect.sleep(retryWait)),
          Effect.forever
        )

      return WebhookFeed.of({ follow })
    })
  )
}
