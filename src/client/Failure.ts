import type { NewPurchase } from "./NewPurchase.ts"
import type { NewReversal } from "./NewReversal.ts"

/** Each kind of problem that the service answers with. */
export const problemKinds = [
  "malformed-request",
  "unauthenticated",
  "origin-refused",
  "forbidden",
  "not-found",
  "method-not-allowed",
  "not-acceptable",
  "request-timeout",
  "body-too-large",
  "unsupported-media-type",
  "expectation-failed",
  "wrong-host",
  "refused-by-rules",
  "conflicting-purchase",
  "conflicting-reversal",
  "more-than-left",
  "already-replayed",
  "not-replayable",
  "rules-full",
  "webhooks-full",
  "precondition-failed",
  "headers-too-large",
  "too-many-requests",
  "internal-error",
  "unavailable",
  "account-unreadable",
  "outcome-unknown",
  "not-current"
] as const
export type ProblemKind = (typeof problemKinds)[number]

const typePrefix = "urn:purchase-ledger:problem:"

/** The body of every problem, after RFC 9457. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  /** The id under which the log of the service has the cause; missing if the request was wrong. */
  readonly incident?: string
  /** The pieces of the purchase that are left, in a problem of the kind `more-than-left`. */
  readonly left?: number
}

/** The failure of a call: the service does not answer, or does not do what the caller asked for. */
export abstract class ClientFailure extends Error {
  /**
   * The purchases that were sent and may be stored, each with the id under which it was sent. Send the purchases again
   * with their ids: each purchase counts once. Without their ids, the purchases would count as new purchases.
   */
  unanswered: ReadonlyArray<NewPurchase & { readonly purchaseId: string }> = []
  /**
   * The reversals that were sent and may be stored. Send the reversals again with their ids: each reversal counts once.
   */
  unansweredReversals: ReadonlyArray<NewReversal & { readonly reversalId: string }> = []
}

/** The service answered with a problem. The `kind` of a problem is for programs, and the message is for people. */
export class ProblemError extends ClientFailure {
  override readonly name = "ProblemError"
  readonly kind: ProblemKind | "unknown"
  readonly status: number
  readonly problem: Omit<ProblemBody, "instance">
  /** The wait that the service asked for before the next attempt; 0 if the service asked for no wait. */
  readonly retryAfterMilliseconds: number

  constructor(problem: Omit<ProblemBody, "instance">, status: number, retryAfterMilliseconds = 0) {
    super(problem.detail)
    this.retryAfterMilliseconds = retryAfterMilliseconds
    const named = problem.type.startsWith(typePrefix) ? problem.type.slice(typePrefix.length) : ""
    this.kind = problemKinds.find((kind) => kind === named) ?? "unknown"
    this.status = status
    this.problem = problem
  }
}

/**
 * The failure of a call that got no answer, or whose answer broke off. The purchases of the request may be stored or
 * not.
 */
export class NoAnswer extends ClientFailure {
  override readonly name = "NoAnswer"
}

/** The failure of a call that was not answered within `timeoutMilliseconds`. */
export class TimedOut extends ClientFailure {
  override readonly name = "TimedOut"
  readonly timeoutMilliseconds: number
  /** The failure of the newest attempt; `undefined` if the first attempt got no answer at all. */
  readonly last: Error | undefined

  constructor(timeoutMilliseconds: number, last: Error | undefined) {
    super(`There was no answer within ${timeoutMilliseconds / 1_000} s`, { cause: last })
    this.timeoutMilliseconds = timeoutMilliseconds
    this.last = last
  }
}

/** The failure of a call that needs a feature that the runtime lacks. The call fails before it sends a request. */
export class UnsupportedRuntime extends Error {
  override readonly name = "UnsupportedRuntime"
  readonly missing: ReadonlyArray<string>

  constructor(missing: ReadonlyArray<string>) {
    super(`This runtime lacks ${missing.join(", ")}. Use Node 20.3 or newer. Nothing was sent`)
    this.missing = missing
  }
}

/**
 * The failure of a client whose address of the service is no URL. The constructor of the client throws this failure.
 */
export class WrongUrl extends Error {
  override readonly name = "WrongUrl"
}

/** The failure of a call that another program than this service answered, for instance a proxy. */
export class ForeignAnswer extends ClientFailure {
  override readonly name = "ForeignAnswer"
  readonly status: number

  constructor(status: number, path: string) {
    super(`${path} was answered with ${status} and not by this service. Is the address right?`)
    this.status = status
  }
}

/**
 * Returns the Error that the client throws for a thrown value. A rejection of `fetch`, or a body that breaks off,
 * becomes a {@link NoAnswer}.
 */
export const failureOf = (thrown: unknown): Error => {
  if (thrown instanceof TypeError) return new NoAnswer(thrown.message, { cause: thrown.cause ?? thrown })
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
