import { Duration } from "effect"
import type { Webhook, WebhookSecret } from "../protocol/Webhook.ts"

/** The time for which an old secret of a webhook signs beside the new secret. */
export const rotationTime = Duration.hours(24)
/**
 * The most old secrets of a webhook that sign at once. If a rotation makes one more old secret, the oldest secret signs
 * no longer.
 */
const previousMax = 4

/**
 * The members of a webhook that a caller wants to change. Members of the webhook that are missing in the request stay
 * as they are.
 */
export interface WantedWebhook {
  readonly url?: string | undefined
  readonly enabled?: boolean | undefined
  /** With `now`, the deliveries skip the alerts that are not delivered yet. */
  readonly resume?: "now" | undefined
}

/** Returns the time of a change of a webhook. No two changes of one webhook have the same time. */
const changeTime = (before: Webhook | undefined, now: number): number => Math.max(now, (before?.begunAt ?? 0) + 1)

/** Returns a new webhook, which gets the alerts behind the sequence `last` of the stream of alerts. */
export const newWebhook = (
  url: string,
  { enabled = true }: WantedWebhook,
  secret: WebhookSecret,
  last: number,
  now: number
): Webhook => ({ url, enabled, secret, previous: [], after: last, begunAt: changeTime(undefined, now) })

/**
 * Changes a webhook. Each change of a webhook ends a pause, and ends the wait for the next attempt. The deliveries
 * continue behind the last delivered alert. If the caller asks to resume, the deliveries skip all alerts up to `last`,
 * the sequence of the newest stored alert.
 */
export const changeWebhook = (before: Webhook, wanted: WantedWebhook, last: number, now: number): Webhook => ({
  ...before,
  url: wanted.url ?? before.url,
  enabled: wanted.enabled ?? (wanted.resume === undefined ? before.enabled : true),
  after: wanted.resume === undefined ? before.after : Math.max(before.after, last),
  begunAt: changeTime(before, now)
})

/** Gives a webhook a new secret. The old secret signs beside the new one for {@link rotationTime}. */
export const rollSecret = (before: Webhook, secret: WebhookSecret, now: number): Webhook => {
  const until = now + Duration.toMillis(rotationTime)
  const still = before.previous.filter((old) => old.until > now)
  return { ...before, secret, previous: [{ secret: before.secret, until }, ...still].slice(0, previousMax) }
}
