import { Duration } from "effect"
import type { Webhook, WebhookSecret } from "../protocol/Webhook.ts"

/** The time for which an old secret signs beside the new one. */
export const rotationTime = Duration.hours(24)
/** The most old secrets that sign at once. After more rotations, the oldest secret signs no longer. */
const previousMax = 4

/** The members that a caller wants to change. The others stay as they are. */
export interface WantedWebhook {
  readonly url?: string | undefined
  readonly enabled?: boolean | undefined
  /** `now` skips the alerts that are not delivered yet. */
  readonly resume?: "now" | undefined
}

/** Returns the time of a change. No two changes of a webhook have the same time. */
const changeTime = (before: Webhook | undefined, now: number): number => Math.max(now, (before?.begunAt ?? 0) + 1)

/** Returns a new webhook. It gets the alerts behind the sequence `last` of the stream of alerts. */
export const newWebhook = (
  url: string,
  { enabled = true }: WantedWebhook,
  secret: WebhookSecret,
  last: number,
  now: number
): Webhook => ({ url, enabled, secret, previous: [], after: last, begunAt: changeTime(undefined, now) })

/**
 * Changes a webhook. Each change ends a pause and the wait for the next attempt. The deliveries go on where they
 * stopped, unless the caller resumes behind `last`.
 */
export const changeWebhook = (before: Webhook, wanted: WantedWebhook, last: number, now: number): Webhook => ({
  ...before,
  url: wanted.url ?? before.url,
  enabled: wanted.enabled ?? (wanted.resume === undefined ? before.enabled : true),
  after: wanted.resume === undefined ? before.after : Math.max(before.after, last),
  begunAt: changeTime(before, now)
})

/** Gives a webhook a new secret. The secret before it signs too for {@link rotationTime}. */
export const rollSecret = (before: Webhook, secret: WebhookSecret, now: number): Webhook => {
  const until = now + Duration.toMillis(rotationTime)
  const still = before.previous.filter((old) => old.until > now)
  return { ...before, secret, previous: [{ secret: before.secret, until }, ...still].slice(0, previousMax) }
}
