import { Effect, type Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { type AnswerSpecs, type Reply, replyResponse } from "./AnswerSpec.ts"
import { type EdgeRuntime, type EdgeServices, respond } from "./EdgeRuntime.ts"
import type { EdgeFailure } from "./FailureProblem.ts"
import type { Field, FieldProblem } from "./Field.ts"
import { givenQuery } from "./GivenQuery.ts"
import { isProblem, type Problem, type ProblemKind } from "./Problem.ts"

/** A parameter of the query, or a header whose lines are one list. It may be left out. */
export interface Parameter<A> {
  readonly description: string
  readonly documented: Schema.Constraint
  /** What stands for it where it is left out. */
  readonly otherwise?: unknown
  /** What a wrong one is; without it none is wrong. */
  readonly kind?: FieldProblem
  readonly read: (text: string | undefined) => A | Problem<FieldProblem>
}

/** A header that has one value, or that is read in another way than its lines joined with commas. */
export interface HeaderParameter<A> extends Parameter<A> {
  /** Returns the text for `read`, or a problem of the header as a whole. */
  readonly textOf?: (http: HttpContext) => string | undefined | Problem<"malformed-request">
}

/** A field that may be left out, and what stands for it then. */
export const optional = <A, const B>(field: Field<A>, otherwise: B, description: string): Parameter<A | B> => ({
  description,
  documented: field.documented,
  otherwise,
  kind: field.kind,
  read: (text) => (text === undefined ? otherwise : field.read(text))
})

/** What a body can be wrong with as a whole. */
export type BodyProblem = "body-too-large" | "request-timeout" | "unsupported-media-type"

/** What a route takes as a body of one media type. */
export interface Body<A> {
  readonly mediaType: string
  /** What to send, like `one purchase as application/json`, for those who send something else. */
  readonly asked: string
  readonly documented: Schema.Constraint
  /** The media type of the answers to it, where that is not the route's first. */
  readonly answeredAs?: string
  /** Reads the body, and holds it to a bound. */
  readonly read: (http: HttpContext) => Effect.Effect<A, Problem<FieldProblem | BodyProblem>>
}

/** Problems that every route may answer with, so that none declares them. */
export const commonProblems = ["malformed-request", "not-acceptable", "internal-error"] as const

/** What is said of a route once: it is served by this, and described by this. */
export interface Route {
  readonly method: "GET" | "POST"
  /** With its parameters in braces, like `/users/{id}/total`. */
  readonly path: string
  /** A name for programs. */
  readonly name: string
  readonly group: "Purchases" | "Users" | "Rejected" | "Feeds" | "Compatible" | "Service"
  readonly summary: string
  readonly description?: string
  /** The parameters in the path, in the order in which they are read. */
  readonly parameters: Readonly<Record<string, Field<unknown>>>
  readonly query: Readonly<Record<string, Parameter<unknown>>>
  readonly headers: Readonly<Record<string, HeaderParameter<unknown>>>
  /** Whether query parameters that `query` does not have are refused with 400, or ignored. */
  readonly otherQuery: "refused" | "ignored"
  /** The bodies that it takes; without any it does not look at one. */
  readonly bodies: ReadonlyArray<Body<unknown>>
  readonly answers: AnswerSpecs
  readonly problems: ReadonlyArray<ProblemKind>
  /** Whether it stores something: it does not begin while the edge stops, and no HEAD does it. */
  readonly stores: boolean
  /** Answers a request; `body` is the one of `bodies` that was sent. */
  readonly serve: (edge: EdgeRuntime, http: HttpContext, body: Body<unknown> | undefined) => Promise<Response>
}

type PathNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathNames<Rest>
  : never

type ReadOf<P> = {
  readonly [Name in keyof P]: P[Name] extends Field<infer A> ? A : P[Name] extends Parameter<infer A> ? A : never
}

type Bodies = ReadonlyArray<Body<unknown>>
type BodyOf<B extends Bodies> = B[number] extends Body<infer A> ? A : never

interface Declaration<
  Path extends string,
  Path_,
  Query,
  Headers,
  B extends Bodies,
  A extends AnswerSpecs,
  Kind extends ProblemKind
> {
  readonly method: Route["method"]
  readonly path: Path
  readonly name: string
  readonly group: Route["group"]
  readonly summary: string
  readonly description?: string
  readonly parameters: Path_
  readonly query?: Query
  /** Only for what probes and browsers ask for: they add parameters that are not meant for this service. */
  readonly otherQuery?: "ignored"
  readonly headers?: Headers
  readonly bodies?: B
  readonly answers: A
  readonly problems?: ReadonlyArray<Kind>
  readonly stores?: true
  /**
   * Ends when the caller leaves, which costs more to learn than a short request costs in all: the adapter makes an
   * AbortController and a whole Request.
   */
  readonly isLong?: true
  readonly handle: (
    request: ReadOf<Path_> & ReadOf<Query> & ReadOf<Headers> & { readonly body: BodyOf<B> },
    edge: EdgeRuntime,
    http: HttpContext
  ) => Effect.Effect<
    // A stream may make its Response itself.
    Reply<A> | Response,
    EdgeFailure<NoInfer<Kind> | (typeof commonProblems)[number]>,
    EdgeServices
  >
}

/** Whether a route made its Response itself. The adapter puts a class of its own in the place of node's: both are one. */
const isResponse = (answer: { readonly headers: object }): answer is Response => answer.headers instanceof Headers

/**
 * Declares a route. What is declared is what reads requests and what the document says; `handle` can answer nothing
 * else, and cannot fail with a problem that is not declared.
 */
export const route = <
  const Path extends string,
  const Path_ extends { readonly [Name in PathNames<Path>]: Field<unknown> },
  const A extends AnswerSpecs,
  const Query extends Readonly<Record<string, Parameter<unknown>>> = {},
  const Headers extends Readonly<Record<string, HeaderParameter<unknown>>> = {},
  const B extends Bodies = [],
  const Kind extends ProblemKind = never
>(
  declaration: Declaration<Path, Path_, Query, Headers, B, A, Kind>
): Route => {
  const { handle, isLong, ...declared } = declaration
  const parameters = Object.entries<Field<unknown>>(declared.parameters)
  const query = Object.entries<Parameter<unknown>>(declared.query ?? {})
  const headers = Object.entries<HeaderParameter<unknown>>(declared.headers ?? {})
  const queryNames = query.map(([name]) => name)
  const otherQuery = declared.otherQuery ?? "refused"

  /** The values of all parameters, or what is wrong with the first that is wrong. */
  const readParameters = (http: HttpContext): Record<string, unknown> | Problem => {
    const values: Record<string, unknown> = {}
    const keep = (name: string, value: unknown) => (values[name] = value)
    for (const [name, { read }] of parameters) {
      const value = keep(name, read(http.req.param(name) ?? ""))
      if (isProblem(value)) return value
    }
    const given = givenQuery(http.req.url, queryNames, otherQuery)
    if (isProblem(given)) return given
    for (const [name, { read }] of query) {
      const value = keep(name, read(given.get(name)))
      if (isProblem(value)) return value
    }
    for (const [name, { read, textOf }] of headers) {
      const text = textOf === undefined ? http.req.header(name) : textOf(http)
      const value = keep(name, isProblem(text) ? text : read(text))
      if (isProblem(value)) return value
    }
    return values
  }

  const serve = (edge: EdgeRuntime, http: HttpContext, sent: Body<unknown> | undefined): Promise<Response> => {
    type Request = Parameters<typeof handle>[0]
    const values = readParameters(http)
    const answered: Effect.Effect<Reply<A> | Response, EdgeFailure, EdgeServices> = isProblem(values)
      ? Effect.fail(values)
      : Effect.flatMap(
          sent?.read(http) ?? Effect.undefined,
          (body) => handle({ ...values, body } as Request, edge, http) as typeof answered
        )
    return respond(
      edge,
      http,
      Effect.map(answered, (answer) => (isResponse(answer) ? answer : replyResponse(answer, declared.answers))),
      isLong ? { signal: http.req.raw.signal } : undefined
    )
  }

  return {
    ...declared,
    query: declared.query ?? {},
    otherQuery,
    headers: declared.headers ?? {},
    bodies: declared.bodies ?? [],
    problems: declared.problems ?? [],
    stores: declared.stores ?? false,
    serve
  }
}
