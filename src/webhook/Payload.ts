import type { Outcome } from "./Backoff.ts"

/** Every body is shorter, in bytes, as the Standard Webhooks specification recommends. */
export const bodyBytesMax = 20_000

/** A message of a user's alerts in the stream of alerts: all alerts of one purchase. */
export interface AlertMessage {
  readonly sequence: number
  /** When the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/** Says how alerts look for callers. Webhooks show alerts as the pages and feeds of the edge do. */
export interface AlertView {
  /** Returns the alerts of a message of a user. Throws if the message cannot be read. */
  readonly alertsOf: (userId: string, message: AlertMessage) => ReadonlyArray<{ readonly id: string }>
  /** Returns the path of the page that begins with the alerts of a message. */
  readonly linkTo: (userId: string, message: AlertMessage) => string
}

const eventOf = (type: string, time: number, data: object): string =>
  JSON.stringify({ type, timestamp: new Date(time).toISOString(), data })

const bodyOf = (view: AlertView, userId: string, message: AlertMessage): string => {
  const alerts = view.alertsOf(userId, message)
  const whole = eventOf("purchase.alerts", message.storedAt, { owner: userId, alerts })
  if (Buffer.byteLength(whole) < bodyBytesMax) return whole
  return eventOf("purchase.alerts.linked", message.storedAt, {
    owner: userId,
    alertIds: alerts.map(({ id }) => id),
    link: view.linkTo(userId, message)
  })
}

/**
 * Returns the body of the delivery of a message, which is the same at each attempt. If all alerts together are too long,
 * the body has their ids, and the path of the page that begins with them. Returns the outcome if the message cannot be
 * read, because another program wrote it.
 */
export const alertsBody = (view: AlertView, userId: string, message: AlertMessage): string | Outcome => {
  try {
    return bodyOf(view, userId, message)
  } catch {
    return { kind: "refused", reason: "The alerts could not be read, because another program wrote them." }
  }
}

/** Returns the body of a delivery that an owner asked for to try the webhook. */
export const testBody = (userId: string, now: number): string => eventOf("webhook.test", now, { owner: userId })
