import { createHmac, randomBytes } from "node:crypto"
import { Redacted } from "effect"
import type { Webhook, WebhookSecret } from "../protocol/Webhook.ts"

const prefix = "whsec_"
const secretBytes = 32

/** Makes a new random secret, in the form of the Standard Webhooks specification. */
export const newSecret = (): WebhookSecret => Redacted.make(prefix + randomBytes(secretBytes).toString("base64"))

/** The parts of a delivery that are signed. */
export interface Signed {
  readonly id: string
  /** The time of the attempt, in seconds since 1970. */
  readonly timestamp: number
  readonly body: string
}

const signature = (secret: WebhookSecret, { id, timestamp, body }: Signed): string => {
  const key = Buffer.from(Redacted.value(secret).slice(prefix.length), "base64")
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`
}

/**
 * Returns the secrets that sign at a time, in milliseconds since 1970: the newest secret, and the older secrets whose
 * time is not over.
 */
export const secretsAt = ({ secret, previous }: Webhook, now: number): Array<WebhookSecret> => [
  secret,
  ...previous.filter(({ until }) => until > now).map((before) => before.secret)
]

/** Returns the headers of a delivery by the Standard Webhooks specification, with one signature for each secret. */
export const signedHeaders = (secrets: ReadonlyArray<WebhookSecret>, signed: Signed): Record<string, string> => ({
  "webhook-id": signed.id,
  "webhook-timestamp": String(signed.timestamp),
  "webhook-signature": secrets.map((secret) => signature(secret, signed)).join(" ")
})
