import { Duration } from "effect"
import type { AttemptReport, DeliveryState, Webhook } from "../protocol/Webhook.ts"
import type { Outcome, Step } from "./Backoff.ts"

/**
 * Returns the state with which deliveries to a webhook begin or continue. Each change of a webhook by its owner ends a
 * pause, and forgets the failures before the change.
 */
export const stateFor = (webhook: Webhook, stored: DeliveryState | undefined): DeliveryState => {
  const { begunAt, after } = webhook
  if (stored === undefined) return { through: after, begunAt, failures: 0 }
  const through = Math.max(stored.through, after)
  if (stored.begunAt === begunAt) return stored.through === through ? stored : { ...stored, through }
  return { through, begunAt, failures: 0, ...(stored.last === undefined ? {} : { last: stored.last }) }
}

/** Returns the later of two states of deliveries to one webhook. Returns `one` if both states are equally late. */
export const furthest = (one: DeliveryState, other: DeliveryState | undefined): DeliveryState =>
  other !== undefined && other.through > one.through ? other : one

const reportOf = (outcome: Outcome, step: Step, at: number): AttemptReport => ({
  at,
  ...(outcome.kind === "answered" ? { status: outcome.status } : {}),
  ...(step.kind === "next" ? {} : { reason: step.reason })
})

/** Returns the state of the deliveries after an attempt to deliver the message at a sequence. */
export const stateAfter = (
  before: DeliveryState,
  sequence: number,
  outcome: Outcome,
  step: Step,
  now: number
): DeliveryState => {
  const last = reportOf(outcome, step, now)
  const { begunAt } = before
  if (step.kind === "next" || step.kind === "bury") return { through: sequence, begunAt, failures: 0, last }
  const failing = {
    through: before.through,
    begunAt,
    failures: before.failures + 1,
    failingSince: before.failingSince ?? now,
    last
  }
  return step.kind === "again"
    ? { ...failing, retryAt: now + Math.round(Duration.toMillis(step.wait)) }
    : { ...failing, paused: { reason: step.reason, at: now } }
}
