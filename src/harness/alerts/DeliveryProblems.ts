import { alertSubject, deadSubject, deliveredSubject, encodeToken, webhookSubject } from "../../protocol/Subject.ts"
import { deadLettersIn, decodeDeliveryState, decodeWebhook, removedWebhook } from "../../protocol/Webhook.ts"
import { decodeAlerts, encodeAlertId } from "../../rules/Alert.ts"
import { stateFor } from "../../webhook/Progress.ts"
import type { Problem } from "../Invariant.ts"
import type { CheckedRecord } from "./AlertCheck.ts"

/**
 * An attempt to deliver, as the receiver saw the attempt. `arrivedAt` and the `at` of the answer are places in one
 * sequence of all arrivals and answers of the receiver.
 */
export interface ReceivedAttempt {
  /** The user to whose URL the attempt came. */
  readonly owner: string
  /** The header `webhook-id` of the attempt. */
  readonly id: string
  readonly body: string
  readonly arrivedAt: number
  /** The answer of the receiver; `undefined` if the receiver did not answer, or if nobody waited for the answer. */
  answer: { readonly status: number; readonly at: number } | undefined
}

/** A user who has set a webhook. */
export interface WebhookOwner {
  readonly owner: string
  /** The member `deliveredThrough` of the first answer that says that the webhook is set. */
  readonly deliveredThrough: number
}

const goneStatus = 410
const temporaryStatuses: ReadonlyArray<number> = [408, 425, 429]

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** Returns whether an answer makes an alert a dead letter, by the table of docs/rules.md. */
const isRefusal = (status: number): boolean =>
  status >= 300 && status < 500 && status !== goneStatus && !temporaryStatuses.includes(status)

/** Returns the places of the first answers with a status that `counts` accepts, by the `webhook-id` of the attempt. */
const answeredAt = (
  attempts: ReadonlyArray<ReceivedAttempt>,
  counts: (status: number) => boolean
): ReadonlyMap<string, number> => {
  const places = new Map<string, number>()
  for (const { id, answer } of attempts) {
    if (answer !== undefined && counts(answer.status)) places.set(id, Math.min(answer.at, places.get(id) ?? Infinity))
  }
  return places
}

/** The end of a run for one webhook: its alerts, its dead letters, and whether and where its deliveries pause. */
interface FinalWebhook {
  readonly owner: string
  /** The messages with the alerts that have to be delivered, in the order of the stream. */
  readonly due: ReadonlyArray<CheckedRecord>
  readonly dead: ReadonlySet<number>
  /** All alerts behind this sequence wait behind a pause; `Infinity` if the deliveries do not pause. */
  readonly pausedAfter: number
}

/** Reads the end of a run for one webhook from the records of the stream of alerts. Returns a problem if it is gone. */
const finalWebhook = (
  { owner, deliveredThrough }: WebhookOwner,
  records: ReadonlyArray<CheckedRecord>
): FinalWebhook | Problem => {
  const token = encodeToken(owner)
  const textsOf = (key: string) => records.filter(({ subject }) => subject === key).map(({ text }) => text)
  const webhook = decodeWebhook(textsOf(webhookSubject(token)).at(-1) ?? removedWebhook)
  if (webhook === undefined) return `A9 not delivered: the webhook of ${owner} is gone`
  const stored = textsOf(deliveredSubject(token)).map(decodeDeliveryState).at(-1)
  const state = stateFor(webhook, stored)
  const after = Math.min(webhook.after, deliveredThrough)
  return {
    owner,
    due: records.filter(({ subject, sequence }) => subject === alertSubject(token) && sequence > after),
    dead: new Set(deadLettersIn(textsOf(deadSubject(token))).map(({ id }) => id)),
    pausedAfter: state.paused === undefined ? Infinity : state.through
  }
}

const undelivered = (
  { owner, due, dead, pausedAfter }: FinalWebhook,
  attempts: ReadonlyArray<ReceivedAttempt>
): ReadonlyArray<Problem> => {
  const delivered = answeredAt(attempts, isSuccess)
  const refused = answeredAt(attempts, isRefusal)
  const isSettled = ({ sequence }: CheckedRecord) =>
    delivered.has(String(sequence)) || dead.has(sequence) || sequence > pausedAfter
  const problems = due
    .filter((alert) => !isSettled(alert))
    .map(({ sequence }): Problem => `A9 not delivered: ${owner}/${sequence}`)
  for (const id of dead) {
    if (!refused.has(String(id))) {
      problems.push(`A9 not delivered: ${owner}/${id} is a dead letter, and the receiver did not refuse it`)
    }
  }
  if (pausedAfter < Infinity && !attempts.some(({ answer }) => answer?.status === goneStatus)) {
    problems.push(`A9 not delivered: the deliveries of ${owner} pause, and no answer had the status ${goneStatus}`)
  }
  return problems
}

/**
 * Finds the attempts that came although an earlier alert was neither delivered nor refused yet. Each such earlier alert
 * is reported once.
 */
const outOfOrder = ({ owner, due }: FinalWebhook, attempts: ReadonlyArray<ReceivedAttempt>): ReadonlyArray<Problem> => {
  const settled = answeredAt(attempts, (status) => isSuccess(status) || isRefusal(status))
  const problems: Array<Problem> = []
  let index = 0
  for (const { id, arrivedAt } of attempts.toSorted((one, other) => one.arrivedAt - other.arrivedAt)) {
    for (let next = due[index]; next !== undefined && next.sequence < Number(id); next = due[index]) {
      const at = settled.get(String(next.sequence)) ?? Infinity
      if (at > arrivedAt) problems.push(`A9 out of order: ${owner}/${id} came before ${next.sequence} was delivered`)
      index += 1
    }
  }
  return problems
}

/** Finds ids that came with two bodies, and bodies that came under two ids. */
const changed = (owner: string, attempts: ReadonlyArray<ReceivedAttempt>): ReadonlyArray<Problem> => {
  const bodies = new Map<string, string>()
  const ids = new Map<string, string>()
  const problems: Array<Problem> = []
  for (const { id, body } of attempts) {
    if (bodies.has(id) && bodies.get(id) !== body) problems.push(`A9 changed: ${owner}/${id} came with another body`)
    if (ids.has(body) && ids.get(body) !== id) {
      problems.push(`A9 changed: ${owner}/${id} came before under the id ${ids.get(body)}`)
    }
    bodies.set(id, bodies.get(id) ?? body)
    ids.set(body, ids.get(body) ?? id)
  }
  return problems
}

/** Returns the user and the ids of the alerts in the body of a delivery; an empty text if the body is no delivery. */
const contentOf = (body: string): string => {
  try {
    const { owner, alerts, alertIds } = JSON.parse(body).data
    return `${owner} ${alertIds ?? alerts.map(({ id }: { readonly id: string }) => id)}`
  } catch {
    return ""
  }
}

const phantoms = ({ owner, due }: FinalWebhook, attempts: ReadonlyArray<ReceivedAttempt>): ReadonlyArray<Problem> => {
  const contents = new Map(
    due.map(({ sequence, text }) => [String(sequence), `${owner} ${decodeAlerts(text).map(encodeAlertId)}`])
  )
  const problems: Array<Problem> = []
  const known = new Set<string>()
  for (const { id, body } of attempts) {
    if (known.has(id)) continue
    known.add(id)
    const content = contents.get(id)
    if (content === undefined) problems.push(`A9 phantom: ${owner}/${id} is no alert behind the webhook`)
    else if (content !== contentOf(body)) {
      problems.push(`A9 phantom: ${owner}/${id} came with "${contentOf(body)}", and has "${content}"`)
    }
  }
  return problems
}

/**
 * Compares the attempts that a receiver recorded with the stream of alerts at the end of a run. Each alert that was
 * stored after the webhook was set has to be delivered, has to be a dead letter that the receiver refused, or has to
 * wait behind a pause. Attempts are in the order of the alerts, except for repeats. A repeat has the same id and the
 * same body. Returns the problems, each with the name of the broken invariant.
 */
export const deliveryProblems = (
  owners: ReadonlyArray<WebhookOwner>,
  attempts: ReadonlyArray<ReceivedAttempt>,
  records: ReadonlyArray<CheckedRecord>
): ReadonlyArray<Problem> => {
  const byOwner = Map.groupBy(attempts, ({ owner }) => owner)
  const known = new Set(owners.map(({ owner }) => owner))
  const strangers = attempts
    .filter(({ owner }) => !known.has(owner))
    .map(({ owner, id }): Problem => `A9 phantom: ${owner}/${id} came, and ${owner} has no webhook`)
  const ofOwners = owners.flatMap((one): ReadonlyArray<Problem> => {
    const webhook = finalWebhook(one, records)
    if (typeof webhook === "string") return [webhook]
    const received = byOwner.get(one.owner) ?? []
    return [
      ...undelivered(webhook, received),
      ...outOfOrder(webhook, received),
      ...changed(one.owner, received),
      ...phantoms(webhook, received)
    ]
  })
  return [...strangers, ...ofOwners]
}
