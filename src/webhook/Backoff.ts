import { Duration } from "effect"
import type { DeliveryState } from "../protocol/Webhook.ts"

/** The outcome of an attempt to deliver. */
export type Outcome =
  | {
      readonly kind: "answered"
      readonly status: number
      /** The wait that the answer asks for before the next attempt. */
      readonly retryAfter?: Duration.Duration
      /** The beginning of the answer's body. */
      readonly answer: string
    }
  /** The attempt got no answer. `reason` is a sentence for the owner of the webhook. */
  | { readonly kind: "failed"; readonly reason: string }
  /** The attempt was not made, because the address is not allowed or the alerts cannot be read. */
  | { readonly kind: "refused"; readonly reason: string }

/** The step that follows an attempt. */
export type Step =
  | { readonly kind: "next" }
  | { readonly kind: "again"; readonly wait: Duration.Duration; readonly reason: string }
  | { readonly kind: "pause"; readonly reason: string }
  | { readonly kind: "bury"; readonly reason: string }

const longestWait = Duration.hours(10)

/**
 * The waits after the first failed attempts to deliver an alert. The wait after each further failed attempt is {@link
 * longestWait}.
 */
const waits: ReadonlyArray<Duration.Duration> = [
  Duration.seconds(5),
  Duration.seconds(30),
  Duration.minutes(2),
  Duration.minutes(10),
  Duration.minutes(30),
  Duration.hours(2),
  Duration.hours(5)
]

/**
 * A wait is longer or shorter at random by up to this fraction. So the attempts for many endpoints do not come at once.
 */
const jitter = 0.2

/** If all attempts of this time fail, the deliveries pause until the owner of the webhook resumes the deliveries. */
const failureMax = Duration.days(3)

/** The statuses below 500 that say that a later attempt may succeed. */
const temporaryStatuses: ReadonlySet<number> = new Set([408, 425, 429])
/** The status with which an endpoint says that it wants no further deliveries. */
const goneStatus = 410

const isTemporary = (status: number): boolean => status >= 500 || temporaryStatuses.has(status)

/**
 * Returns the wait before the next attempt. `failures` is the number of attempts in a row that failed, including the
 * newest one. `random` is a number from 0 to 1.
 */
export const retryWait = (failures: number, random: number, retryAfter = Duration.zero): Duration.Duration => {
  const usual = waits[failures - 1] ?? longestWait
  const spread = Duration.times(usual, 1 - jitter + 2 * jitter * random)
  return Duration.max(spread, Duration.min(retryAfter, longestWait))
}

const reasonOf = (outcome: Outcome): string =>
  outcome.kind === "answered" ? `The endpoint answered with the status ${outcome.status}.` : outcome.reason

/**
 * Returns the step after an attempt that ended at `now`, in milliseconds since 1970. `before` is the state of the
 * deliveries before the attempt.
 */
export const stepAfter = (
  outcome: Outcome,
  before: Pick<DeliveryState, "failures" | "failingSince">,
  now: number,
  random: number
): Step => {
  const reason = reasonOf(outcome)
  if (outcome.kind === "refused") return { kind: "bury", reason }
  if (outcome.kind === "answered" && !isTemporary(outcome.status)) {
    if (outcome.status >= 200 && outcome.status < 300) return { kind: "next" }
    return { kind: outcome.status === goneStatus ? "pause" : "bury", reason }
  }
  if (now - (before.failingSince ?? now) >= Duration.toMillis(failureMax)) {
    return { kind: "pause", reason: `${reason} All attempts of three days failed.` }
  }
  const retryAfter = outcome.kind === "answered" ? outcome.retryAfter : undefined
  return { kind: "again", wait: retryWait(before.failures + 1, random, retryAfter), reason }
}

/**
 * The usual form of a date in a header of HTTP. `Date.parse` alone reads many other texts as dates, for instance -5.
 */
const httpDate = /^[A-Z][a-z]{2}, .* GMT$/

/**
 * Returns the wait that a header `Retry-After` asks for. The header `Retry-After` has a number of seconds, or a date.
 * Returns `undefined` if the header has neither a number nor a date.
 */
export const retryAfterIn = (header: string | undefined, now: number): Duration.Duration | undefined => {
  if (header === undefined) return undefined
  if (/^[0-9]{1,9}$/.test(header)) return Duration.seconds(Number(header))
  const date = httpDate.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}
