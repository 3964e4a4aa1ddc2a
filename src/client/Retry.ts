import { ClientFailure, ForeignAnswer, NoAnswer, ProblemError, TimedOut } from "./Failure.ts"

export interface RetrySettings {
  /** How often a request is sent at most. */
  readonly attemptsMax: number
  /** The longest wait before the second attempt, in milliseconds; it doubles with each. */
  readonly waitMilliseconds: number
  /** The longest that one wait may become, in milliseconds; a longer Retry-After is cut to it. */
  readonly waitMaxMilliseconds: number
}

/** Eight attempts wait for some 16 seconds in all: longer than a broker takes to elect a leader. */
export const retryDefaults: RetrySettings = { attemptsMax: 8, waitMilliseconds: 200, waitMaxMilliseconds: 5_000 }

/** Statuses that say: not now. All that this client sends may be sent again, for purchases have ids. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504])

export const isPassing = (failure: unknown): boolean =>
  failure instanceof NoAnswer ||
  ((failure instanceof ProblemError || failure instanceof ForeignAnswer) && passing.has(failure.status))

/** Returns the failure of a call that sent purchases, with those of them that may be stored. */
export const withUnanswered = (failure: unknown, sent: ClientFailure["unanswered"]): unknown => {
  const isOpen = isPassing(failure) || failure instanceof TimedOut || failure instanceof ForeignAnswer
  if (failure instanceof ClientFailure && isOpen) failure.unanswered = sent
  return failure
}

/**
 * How long to wait before the attempt after this one, in milliseconds: up to a bound that doubles, at random, so that
 * callers who failed together do not come back together; and never less than the service asked for.
 */
export const retryWait = (
  attempt: number,
  settings: RetrySettings,
  random: () => number,
  retryAfterMilliseconds = 0
): number => {
  const bound = Math.min(settings.waitMaxMilliseconds, settings.waitMilliseconds * 2 ** (attempt - 1))
  const asked = Math.min(settings.waitMaxMilliseconds, retryAfterMilliseconds)
  return asked > 0 ? asked + random() * (bound / 2) : bound / 2 + random() * (bound / 2)
}
