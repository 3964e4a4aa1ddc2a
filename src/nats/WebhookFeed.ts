import { Context, Duration, Effect, Layer } from "effect"
import { alertFilter, alertsStream, webhookFilter } from "../protocol/Subject.ts"
import { decodeWebhook, type Webhook } from "../protocol/Webhook.ts"
import { Connection } from "./client/Connection.ts"
import type { StoredMessage } from "./client/JetStreamApi.ts"
import { runStreamSession } from "./StreamSession.ts"
import { WebhookStore } from "./WebhookStore.ts"

/** The wait before the stream of webhooks is followed again after a session has ended. */
const retryWait = Duration.millis(250)

const tokenOf = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1)

/** The functions that are called with the changes of webhooks and with new alerts. */
export interface WebhookEvents {
  /**
   * Called when the stream of webhooks is followed from now on. After a call of `began`, `changed` is called for every
   * webhook, because changes may have been missed. `changed` is not called for a webhook that was removed while the
   * stream was not followed.
   */
  readonly began: () => void
  /** Called with a user's webhook, or with `undefined` if the user removed the webhook. */
  readonly changed: (ownerToken: string, webhook: Webhook | undefined) => void
  /** Called when a message with a user's alerts was stored at a sequence. */
  readonly alerted: (ownerToken: string, sequence: number) => void
}

/** Follows all webhooks, the changes of webhooks, and the sequences of new alerts. */
export class WebhookFeed extends Context.Service<
  WebhookFeed,
  {
    /**
     * Calls the functions of `events` until the fiber is interrupted. After a lost connection, begins again with
     * `began` and all webhooks.
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
        // `alerted` is called for alerts behind the last sequence that is read here. The receiver of `alerted` finds
        // earlier alerts by a read of its own after `began`.
        const last = yield* lastSequence
        began()
        const alerts = ({ subject, sequence }: StoredMessage) => alerted(tokenOf(subject), sequence)
        const webhooks = ({ subject, text }: StoredMessage) => changed(tokenOf(subject), decodeWebhook(text))
        // Each key of a webhook has only one value, because a new value replaces the value before.
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
