import type { Outcome } from "./Backoff.ts"

/**
 * The body of every delivery has fewer bytes than `bodyBytesMax`, as the Standard Webhooks specification recommends.
 */
export const bodyBytesMax = 20_000

/** A message in the stream of alerts: all alerts that one purchase gave one user. */
export interface AlertMessage {
  readonly sequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/**
 * Turns stored alerts into alerts as callers see them. Webhooks show alerts in the same form as the pages and feeds of
 * the edge.
 */
export interface AlertView {
  /** Returns the alerts in a message of a user, as callers see them. Throws if the message cannot be read. */
  readonly alertsOf: (userId: string, message: AlertMessage) => ReadonlyArray<{ readonly id: string }>
  /** Returns the path of the page of alerts that begins with the alerts of a message. */
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
 * Returns the body of a delivery, for one message of the stream of alerts. The body is the same at each attempt. If the
 * alerts of the message do not fit, the body has the alerts' ids, and the path of the page with the alerts. If the
 * message cannot be read, because another program wrote the message, returns the outcome of the delivery instead of a
 * body.
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
