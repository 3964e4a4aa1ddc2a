import { Option, Redacted, Schema } from "effect"

/**
 * A secret with which deliveries are signed: `whsec_` and the base64 of 32 bytes. Logs show `<redacted>` instead of a
 * secret.
 */
export type WebhookSecret = Redacted.Redacted<string>

/** The webhook of a user, as the value of the key `webhook.<user>`. Times are in milliseconds since 1970. */
export interface Webhook {
  readonly url: string
  readonly enabled: boolean
  readonly secret: WebhookSecret
  /**
   * The secrets before the newest secret, newest first. Until `until`, an earlier secret signs deliveries beside the
   * newest secret.
   */
  readonly previous: ReadonlyArray<{ readonly secret: WebhookSecret; readonly until: number }>
  /** Alerts up to this sequence of the stream of alerts are not delivered. */
  readonly after: number
  /**
   * The time of the last change of `url` or `enabled`, or of the last resume. Two changes of a webhook never have the
   * same time. The failures in a {@link DeliveryState} count only if `begunAt` of the state is equal to `begunAt` of
   * the webhook.
   */
  readonly begunAt: number
}

/** The end of an attempt to deliver, for the owner of a webhook. */
export interface AttemptReport {
  readonly at: number
  /** The status of the answer; missing if there was no answer. */
  readonly status?: number
  /** Why the attempt failed, as a sentence; missing if it did not fail. */
  readonly reason?: string
}

/** The progress of the deliveries to a user's webhook, as the value of the key `delivered.<user>`. */
export interface DeliveryState {
  /** Alerts up to this sequence are delivered, or are dead letters. */
  readonly through: number
  /** The `begunAt` of the webhook for which the failures and the pause of this state count. */
  readonly begunAt: number
  /** The number of attempts in a row that failed. */
  readonly failures: number
  /** The time of the first failure of the attempts in a row that failed. */
  readonly failingSince?: number
  /** The time before which there is no further attempt. */
  readonly retryAt?: number
  /** Why the deliveries pause, and since when. */
  readonly paused?: { readonly reason: string; readonly at: number }
  readonly last?: AttemptReport
}

/**
 * An alert that the webhook refused for good, as one value of the key `dead.<user>`. If the alert is delivered later, a
 * further value of the key records the delivery.
 */
export interface DeadLetter {
  /** The sequence of the alert in the stream of alerts. */
  readonly id: number
  readonly at: number
  readonly status?: number
  readonly reason: string
  /** The first bytes of the answer of the webhook. */
  readonly answer: string
}

const version = Schema.Literal(1)
const Time = Schema.Int
const Secret = Schema.RedactedFromValue(Schema.String)
const Attempt = { at: Time, status: Schema.optionalKey(Schema.Int), reason: Schema.optionalKey(Schema.String) }

const WebhookRecord = Schema.fromJsonString(
  Schema.Struct({
    v: version,
    url: Schema.String,
    enabled: Schema.Boolean,
    secret: Secret,
    previous: Schema.Array(Schema.Struct({ secret: Secret, until: Time })),
    after: Schema.Int,
    begunAt: Time
  })
)

const StateRecord = Schema.fromJsonString(
  Schema.Struct({
    v: version,
    through: Schema.Int,
    begunAt: Time,
    failures: Schema.Int,
    failingSince: Schema.optionalKey(Time),
    retryAt: Schema.optionalKey(Time),
    paused: Schema.optionalKey(Schema.Struct({ reason: Schema.String, at: Time })),
    last: Schema.optionalKey(Schema.Struct(Attempt))
  })
)

const DeadRecord = Schema.fromJsonString(
  Schema.Struct({
    v: version,
    id: Schema.Int,
    at: Time,
    status: Schema.optionalKey(Schema.Int),
    reason: Schema.String,
    answer: Schema.String
  })
)

const RevivedRecord = Schema.fromJsonString(Schema.Struct({ v: version, revived: Schema.Int }))

/**
 * The value of the key `webhook.<user>` after the webhook was removed. The broker drops the value of a removed webhook
 * after some time.
 */
export const removedWebhook = JSON.stringify({ v: 1, removed: true })

const encodeWebhookRecord = Schema.encodeSync(WebhookRecord)
const decodeWebhookRecord = Schema.decodeSync(WebhookRecord)
const encodeState = Schema.encodeSync(StateRecord)
const decodeState = Schema.decodeSync(StateRecord)
const encodeDead = Schema.encodeSync(DeadRecord)
const decodeDead = Schema.decodeSync(DeadRecord)
const decodeRevived = Schema.decodeOption(RevivedRecord)

export const encodeWebhook = (webhook: Webhook): string => encodeWebhookRecord({ v: 1, ...webhook })

/** Decodes a webhook; `undefined` if it was removed. Throws a SchemaError if the text is not a webhook. */
export const decodeWebhook = (text: string): Webhook | undefined => {
  if (text === removedWebhook) return undefined
  const { v: _version, ...webhook } = decodeWebhookRecord(text)
  return webhook
}

export const encodeDeliveryState = (state: DeliveryState): string => encodeState({ v: 1, ...state })

/** Decodes the state of deliveries. Throws a SchemaError if the text is not a state of deliveries. */
export const decodeDeliveryState = (text: string): DeliveryState => {
  const { v: _version, ...state } = decodeState(text)
  return state
}

export const encodeDeadLetter = (letter: DeadLetter): string => encodeDead({ v: 1, ...letter })

/** Writes that the dead letter of an alert was delivered after all. */
export const encodeRevived = (id: number): string => JSON.stringify({ v: 1, revived: id })

/**
 * Returns the dead letters of a key's values, in the order of the values. A dead letter that came twice counts once,
 * and a dead letter that was delivered later does not count. Throws a SchemaError if a text is neither a dead letter
 * nor the note of a later delivery.
 */
export const deadLettersIn = (texts: ReadonlyArray<string>): Array<DeadLetter> => {
  const letters = new Map<number, DeadLetter>()
  for (const text of texts) {
    const revived = Option.getOrUndefined(decodeRevived(text))
    if (revived !== undefined) letters.delete(revived.revived)
    else {
      const { v: _version, ...letter } = decodeDead(text)
      letters.set(letter.id, letter)
    }
  }
  return Array.from(letters.values())
}
