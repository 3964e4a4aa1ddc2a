import type { ProblemBody } from "./Answers.ts"

/** Each kind of problem that the service answers with. */
export const problemKinds = [
  "malformed-request",
  "unauthenticated",
  "forbidden",
  "not-found",
  "method-not-allowed",
  "not-acceptable",
  "request-timeout",
  "body-too-large",
  "unsupported-media-type",
  "expectation-failed",
  "refused-by-rules",
  "conflicting-purchase",
  "already-replayed",
  "too-many-requests",
  "headers-too-large",
  "internal-error",
  "unavailable",
  "outcome-unknown",
  "not-current"
] as const
export type ProblemKind = (typeof problemKinds)[number]

const typePrefix = "urn:purchase-ledger:problem:"

/** The service answered with a problem. `kind` is for programs, and the message for people. */
export class ProblemError extends Error {
  override readonly name = "ProblemError"
  readonly kind: ProblemKind | "unknown"
  readonly status: number
  readonly problem: Omit<ProblemBody, "instance">
  /** How long the service asked to wait before the next attempt; 0 where it did not say. */
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

/** There was no answer, or it broke off. Whether a purchase of the request was stored is not known. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"
}

/** Something answered that is not this service, such as a proxy. */
export class ForeignAnswer extends Error {
  override readonly name = "ForeignAnswer"
  readonly status: number

  constructor(status: number, path: string) {
    super(`${path} was answered with ${status} and no problem of this service: is the address right?`)
    this.status = status
  }
}

/** A failure as the client throws it: what `fetch` rejects with, and bodies that break off, are no answer. */
export const failureOf = (thrown: unknown): Error => {
  if (thrown instanceof TypeError) return new NoAnswer(thrown.message, { cause: thrown.cause ?? thrown })
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
