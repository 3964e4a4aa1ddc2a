import { Redacted, Schema } from "effect"
import type { AttemptReport, DeadLetter, DeliveryState, Webhook } from "../../protocol/Webhook.ts"
import type { SendReply } from "../../protocol/WebhookSend.ts"
import { stateFor } from "../../webhook/Progress.ts"
import { Count, Instant, instant } from "../contract/AnswerBodies.ts"

const Status = Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 999 }))
const SecretText = Schema.String.annotate({
  description:
    "The secret that signs deliveries: `whsec_` and the base64 of 32 bytes. No other answer shows the secret."
})

const Attempt = Schema.Struct({
  at: Instant,
  status: Schema.optionalKey(Status).annotateKey({
    description: "The status of the webhook's answer; missing if the webhook did not answer."
  }),
  reason: Schema.optionalKey(Schema.String).annotateKey({
    description: "The reason why the attempt failed; missing if the attempt did not fail."
  })
}).annotate({ identifier: "WebhookAttempt" })

const webhookMembers = {
  userId: Schema.String,
  url: Schema.String,
  enabled: Schema.Boolean,
  state: Schema.Literals(["delivering", "retrying", "paused", "off"]).annotateKey({
    description:
      "`retrying`: the newest attempt failed, and another attempt follows. `paused`: nothing is delivered until a PUT. `off`: `enabled` is false."
  }),
  deliveredThrough: Count.annotateKey({
    description:
      "The id of a delivery. The alerts of all deliveries up to this id are delivered, are dead letters, or were skipped."
  }),
  failures: Count.annotateKey({ description: "The number of failed attempts since the end of the previous delivery." }),
  nextAttemptAt: Schema.optionalKey(Instant),
  paused: Schema.optionalKey(Schema.Struct({ reason: Schema.String, at: Instant })),
  lastAttempt: Schema.optionalKey(Attempt),
  oldSecretUntil: Schema.optionalKey(Instant).annotateKey({
    description: "The time until which each delivery is signed with the previous secret and with the newest secret."
  })
}

export const WebhookBody = Schema.Struct(webhookMembers).annotate({ identifier: "Webhook" })
export const NewWebhookBody = Schema.Struct({ ...webhookMembers, secret: SecretText }).annotate({
  identifier: "WebhookWithSecret"
})
export const NewSecretBody = Schema.Struct({ secret: SecretText, oldSecretUntil: Instant }).annotate({
  identifier: "WebhookSecret"
})

export const DeadLetterBody = Schema.Struct({
  id: Count.annotateKey({ description: "The id of the delivery, as in the header `webhook-id`." }),
  at: Instant,
  status: Schema.optionalKey(Status),
  reason: Schema.String,
  answer: Schema.String.annotateKey({ description: "The first 1,024 bytes of the webhook's answer." })
}).annotate({ identifier: "DeadLetter" })

export const DeadLetterList = Schema.Struct({ userId: Schema.String, dead: Schema.Array(DeadLetterBody) }).annotate({
  identifier: "DeadLetterList"
})

export const SendOutcome = Schema.Struct({
  delivered: Schema.Boolean,
  status: Schema.optionalKey(Status),
  reason: Schema.optionalKey(Schema.String),
  answer: Schema.String
}).annotate({ identifier: "WebhookSendOutcome" })

const attemptBody = ({ at, status, reason }: AttemptReport): typeof Attempt.Type => ({
  at: instant(at),
  ...(status === undefined ? {} : { status }),
  ...(reason === undefined ? {} : { reason })
})

const stateOf = ({ enabled }: Webhook, { paused, failures }: DeliveryState) => {
  if (!enabled) return "off"
  if (paused !== undefined) return "paused"
  return failures > 0 ? "retrying" : "delivering"
}

/**
 * Writes a webhook without its secret. `stored` is the state of the deliveries to the webhook; `undefined` before the
 * first delivery.
 */
export const webhookBody = (
  userId: string,
  webhook: Webhook,
  stored: DeliveryState | undefined,
  now: number
): typeof WebhookBody.Type => {
  const state = stateFor(webhook, stored)
  const { paused, retryAt, last } = state
  const old = webhook.previous.find(({ until }) => until > now)
  return {
    userId,
    url: webhook.url,
    enabled: webhook.enabled,
    state: stateOf(webhook, state),
    deliveredThrough: state.through,
    failures: state.failures,
    ...(retryAt === undefined ? {} : { nextAttemptAt: instant(retryAt) }),
    ...(paused === undefined ? {} : { paused: { reason: paused.reason, at: instant(paused.at) } }),
    ...(last === undefined ? {} : { lastAttempt: attemptBody(last) }),
    ...(old === undefined ? {} : { oldSecretUntil: instant(old.until) })
  }
}

/** Returns the text of a webhook's secret, for the one answer that shows the secret. */
export const secretText = ({ secret }: Webhook): string => Redacted.value(secret)

export const deadLetterBody = ({ id, at, status, reason, answer }: DeadLetter): typeof DeadLetterBody.Type => ({
  id,
  at: instant(at),
  ...(status === undefined ? {} : { status }),
  reason,
  answer
})

/** Returns the answer to an owner who asked for a delivery: how the delivery ended. */
export const sendOutcome = ({
  isDelivered,
  status,
  reason,
  answer
}: Extract<SendReply, { readonly kind: "attempted" }>): typeof SendOutcome.Type => ({
  delivered: isDelivered,
  ...(status === undefined ? {} : { status }),
  ...(reason === undefined ? {} : { reason }),
  answer
})
