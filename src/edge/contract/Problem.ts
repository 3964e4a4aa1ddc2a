import { Schema } from "effect"
import { quantityMax } from "../../account/Money.ts"
import { visibleText } from "../../account/VisibleText.ts"

/** Each kind of problem with its status and title. */
export const problemKinds = {
  "malformed-request": [400, "The request is malformed"],
  unauthenticated: [401, "The request needs a valid token"],
  "origin-refused": [403, "The request may not come from there"],
  forbidden: [403, "The token does not allow this"],
  "not-found": [404, "Not found"],
  "method-not-allowed": [405, "The method is not allowed here"],
  "not-acceptable": [406, "No acceptable form of the answer"],
  "request-timeout": [408, "The request took too long to arrive"],
  "already-replayed": [409, "The record was replayed with another content"],
  "not-replayable": [409, "The record cannot be replayed"],
  "conflicting-reversal": [409, "This id was used for another reversal"],
  "rules-full": [409, "There is no room for a further rule"],
  "webhooks-full": [409, "There is no room for a further webhook"],
  "precondition-failed": [412, "The precondition does not hold"],
  "body-too-large": [413, "The body is too large"],
  "unsupported-media-type": [415, "The content type is not supported"],
  "expectation-failed": [417, "The expectation cannot be met"],
  "wrong-host": [421, "The host is not a name of this service"],
  "refused-by-rules": [422, "The rules refuse this value"],
  "conflicting-purchase": [422, "This id was used for another purchase"],
  "more-than-left": [422, "The purchase has too few pieces left"],
  "headers-too-large": [431, "The headers are too large"],
  "too-many-requests": [429, "The caller asks for too much at once"],
  "internal-error": [500, "The server made a mistake"],
  unavailable: [503, "The service is not available now"],
  "account-unreadable": [503, "The records of this account cannot be read"],
  "outcome-unknown": [504, "The outcome is unknown"],
  "not-current": [504, "The answer could not be made current in time"]
} as const satisfies Record<string, readonly [number, string]>

export type ProblemKind = keyof typeof problemKinds

/**
 * An answer to a request that cannot be served, after RFC 9457. A check returns a problem instead of a value, an effect
 * fails with a problem, and no code throws a problem. Only code that knows the request or its answer makes a problem.
 */
export class Problem<Kind extends ProblemKind = ProblemKind> {
  readonly _tag = "Problem"
  readonly status: number
  /** Names the kind of problem, for programs. */
  readonly kind: Kind
  readonly title: string
  /**
   * Says what was wrong, with which value, and what to do. In a detail, invisible characters are written as their code
   * points.
   */
  readonly detail: string
  readonly headers: Readonly<Record<string, string>>
  /** The pieces of the purchase that are left, in the problem of a reversal; `undefined` in other problems. */
  readonly left: number | undefined

  constructor(kind: Kind, detail: string, headers: Readonly<Record<string, string>>, left?: number) {
    const [status, title] = problemKinds[kind]
    this.status = status
    this.kind = kind
    this.title = title
    this.detail = visibleText(detail)
    this.headers = headers
    this.left = left
  }

  /** Returns a problem of the same kind with the given detail. */
  withDetail(detail: string): Problem<Kind> {
    return new Problem(this.kind, detail, this.headers, this.left)
  }
}

/** Makes a problem. The answer with the problem has `headers` in addition to the usual headers. */
export const problem = <Kind extends ProblemKind>(
  kind: Kind,
  detail: string,
  headers: Readonly<Record<string, string>> = {}
): Problem<Kind> => new Problem(kind, detail, headers)

/** Makes the problem of a reversal of more pieces than the purchase has left. */
export const moreThanLeft = (detail: string, left: number): Problem<"more-than-left"> =>
  new Problem("more-than-left", detail, {}, left)

/** Returns whether the result of a check is a problem, and not a value. */
export const isProblem = (value: unknown): value is Problem => value instanceof Problem

/** Returns the URI that names a kind of problem. */
export const problemType = (kind: ProblemKind): string => `urn:purchase-ledger:problem:${kind}`

/** The body of every problem. */
export const ProblemBody = Schema.Struct({
  type: Schema.String.annotate({ format: "uri", description: "Names the kind of problem, for programs." }),
  title: Schema.String,
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
  detail: Schema.String.annotate({ description: "Says what was wrong, with which value, and what to do, for people." }),
  instance: Schema.String.annotate({
    format: "uri-reference",
    description: "The path of the request, as callers see it."
  }),
  incident: Schema.optionalKey(Schema.String).annotate({
    description:
      "The id under which the log of the edge has the cause. Only a problem with a status of 500 or more has an `incident`."
  }),
  left: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quantityMax }))).annotate({
    description:
      "The number of pieces of the purchase that no reversal took back. Only the problem `more-than-left` has this member."
  })
}).annotate({ identifier: "Problem", description: "The reason why a request was not served, after RFC 9457." })

/**
 * Writes the body of a problem. `instance` is the path of the request; the problem of a line has no `instance`.
 * `incident` is the id under which the log has the cause of the problem.
 */
export const problemBody = (what: Problem, instance?: string, incident?: string): string =>
  JSON.stringify({
    type: problemType(what.kind),
    title: what.title,
    status: what.status,
    detail: what.detail,
    instance,
    incident,
    left: what.left
  } satisfies Record<keyof typeof ProblemBody.Type, unknown>)

export const problemMediaType = "application/problem+json"

/** Returns all headers of a problem's answer. */
export const problemHeaders = (what: Problem): Readonly<Record<string, string>> => ({
  "content-type": problemMediaType,
  "cache-control": "no-store",
  ...what.headers
})

/** Returns the HTTP response of a problem. */
export const problemResponse = (what: Problem, instance: string, incident?: string): Response =>
  new Response(problemBody(what, instance, incident), { status: what.status, headers: problemHeaders(what) })
