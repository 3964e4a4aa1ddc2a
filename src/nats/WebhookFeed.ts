import { Context, Duration, Effect, Layer } from "effect"
import { alertFilter, alertsStream, webhookFilter } from "../protocol/Subject.ts"
import { decodeWebhook, type Webhook } from "../protocol/Webhook.ts"
import { Connection } from "./client/Connection.ts"
import type { StoredMessage } from "./client/JetStreamApi.ts"
import { runStreamSession } from "./StreamSession.ts"
import { WebhookStore } from "./WebhookStore.ts"

/** The wait before the stream is followed again after a session ended. */
const retryWait = Duration.millis(250)

const tokenOf = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1)

/** The functions that are called with the changes of webhooks and with new alerts. */
export interface WebhookEvents {
  /**
   * The stream is followed from here on. All webhooks come next, and changes may have been missed. A webhook that was
   * removed meanwhile does not come.
   */
  readonly began: () => void
  /** A user's webhook came, or is `undefined` because the user removed it. */
  readonly changed: (ownerToken: string, webhook: Webhook | undefined) => void
  /** A message with a user's alerts was stored at a sequence. */
  readonly alerted: (ownerToken: string, sequence: number) => void
}

/** All webhooks, their changes, and the sequences of new alerts. */
export class WebhookFeed extends Context.Service<
  WebhookFeed,
  {
    /** Calls the functions until the fiber is interrupted. After a lost connection, everything begins anew. */
    readonly follow: (events: WebhookEvents) => Effect.Effect<never>
  }
>()("purchases/nats/WebhookFeed") {
  static readonly layer = Layer.effect(
    WebhookFeed,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { lastSequence } = yield* WebhookStore

      const session = Effect.fnUntraced(function* ({ began, changed, alerted }: WebhookEvents) {
        // Alerts that are stored after this read are told. Earlier alerts are found by whoever reads after `began`.
        const last = yield* lastSequence
        began()
        const alerts = ({ subject, sequence }: StoredMessage) => alerted(tokenOf(subject), sequence)
        const webhooks = ({ subject, text }: StoredMessage) => changed(tokenOf(subject), decodeWebhook(text))
        // A key has one value, because each value replaces the value before it.
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
