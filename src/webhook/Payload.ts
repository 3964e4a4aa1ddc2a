import { jsonText } from "../protocol/JsonText.ts"

/** Every body is shorter, in bytes, as the Standard Webhooks specification recommends. */
const bodyBytesMax = 20_000

/** A message of a user's alerts in the stream of alerts: all alerts of one purchase. */
export interface AlertMessage {
  readonly sequence: number
  /** When the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

const eventOf = (type: string, time: number, data: string): string =>
  `{"type":"${type}","timestamp":"${new Date(time).toISOString()}","data":${data}}`

const idsIn = (text: string): ReadonlyArray<string> =>
  (JSON.parse(text) as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id)

/**
 * Returns the body of the delivery of a message. The body is the same at each attempt. If all alerts together are too
 * long, the body has their ids, and the path of the page that begins with them.
 */
export const alertsBody = (userId: string, { sequence, storedAt, text }: AlertMessage): string => {
  const whole = eventOf("purchase.alerts", storedAt, `{"userId":${jsonText(userId)},"alerts":${text}}`)
  if (Buffer.byteLength(whole) < bodyBytesMax) return whole
  const link = `/users/${encodeURIComponent(userId)}/alerts?limit=1&cursor=${sequence + 1}`
  const ids = JSON.stringify(idsIn(text))
  return eventOf(
    "purchase.alerts.linked",
    storedAt,
    `{"userId":${jsonText(userId)},"alertIds":${ids},"link":"${link}"}`
  )
}

/** Returns the body of a delivery that an owner asked for to try the webhook. */
export const testBody = (userId: string, now: number): string =>
  eventOf("webhook.test", now, `{"userId":${jsonText(userId)}}`)
