import { ClientFailure, ForeignAnswer, NoAnswer, ProblemError, TimedOut } from "./Failure.ts"

export interface RetrySettings {
  /** The most attempts of one request. */
  readonly attemptsMax: number
  /** The longest wait before the second attempt. The longest wait doubles with each further attempt. */
  readonly waitMilliseconds: number
  /** The longest wait before any attempt. A Retry-After above `waitMaxMilliseconds` is cut to `waitMaxMilliseconds`. */
  readonly waitMaxMilliseconds: number
}

/** The waits between eight attempts take longer together than brokers need to elect a leader. */
export const retryDefaults: RetrySettings = { attemptsMax: 8, waitMilliseconds: 200, waitMaxMilliseconds: 5_000 }

/**
 * The statuses after which the same request may succeed later. To send a purchase again is safe, because it has an id.
 */
const temporaryStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Returns whether the same request may succeed after this failure. */
export const isTemporary = (failure: unknown): boolean =>
  failure instanceof NoAnswer ||
  ((failure instanceof ProblemError || failure instanceof ForeignAnswer) && temporaryStatuses.has(failure.status))

/** The purchases or reversals that a call sent. */
type Sent = Partial<Pick<ClientFailure, "unanswered" | "unansweredReversals">>

/**
 * Returns the failure of a call. If the purchases or reversals of the call may be stored, the failure gets them as
 * `unanswered` or `unansweredReversals`.
 */
export const withUnanswered = (failure: unknown, sent: Sent): unknown => {
  const isOpen = isTemporary(failure) || failure instanceof TimedOut || failure instanceof ForeignAnswer
  return failure instanceof ClientFailure && isOpen ? Object.assign(failure, sent) : failure
}

/**
 * Returns the wait before the next attempt. The wait is random, so that callers that failed together do not try again
 * together. The bound of the wait doubles with each attempt. The wait is at least as long as the service asked for, up
 * to `waitMaxMilliseconds`.
 */
export const retryWaitMilliseconds = (
  attempt: number,
  settings: RetrySettings,
  random: () => number,
  retryAfterMilliseconds = 0
): number => {
  const bound = Math.min(settings.waitMaxMilliseconds, settings.waitMilliseconds * 2 ** (attempt - 1))
  const asked = Math.min(settings.waitMaxMilliseconds, retryAfterMilliseconds)
  return asked > 0 ? asked + random() * (bound / 2) : bound / 2 + random() * (bound / 2)
}
