import { Effect, type Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { type AnswerSpecs, type Reply, replyResponse } from "../contract/AnswerSpec.ts"
import { type EdgeRuntime, type EdgeServices, respond } from "../runtime/EdgeRuntime.ts"
import { callerOf, mayUse, unknownUser } from "../access/Caller.ts"
import { traced } from "./traced.ts"
import { paid } from "../limits/limited.ts"
import type { EdgeFailure } from "../contract/FailureProblem.ts"
import type { Field, FieldProblem } from "../contract/Field.ts"
import { givenQuery } from "../contract/GivenQuery.ts"
import { isProblem, type Problem, type ProblemKind } from "../contract/Problem.ts"
import type { Scope } from "../../protocol/Scope.ts"

/** A parameter of the query, or a header whose lines are one list. Callers may leave the parameter out. */
export interface Parameter<A> {
  readonly description: string
  readonly documented: Schema.Constraint
  /** The value of a parameter that is left out. */
  readonly otherwise?: unknown
  /** The kind of problem that a wrong text gets. Without `kind` every text is right. */
  readonly kind?: FieldProblem
  readonly read: (text: string | undefined) => A | Problem<FieldProblem>
}

/** A header that has one value, or whose lines are not simply joined with commas. */
export interface HeaderParameter<A> extends Parameter<A> {
  /** Returns the text for `read`, or a problem of the header as a whole. */
  readonly textOf?: (http: HttpContext) => string | undefined | Problem<"malformed-request">
}

/**
 * Makes an optional parameter of a request. `field` reads the text of the parameter. `otherwise` is the value of the
 * parameter if callers leave it out.
 */
export const optional = <A, const B>(field: Field<A>, otherwise: B, description: string): Parameter<A | B> => ({
  description,
  documented: field.documented,
  otherwise,
  kind: field.kind,
  read: (text) => (text === undefined ? otherwise : field.read(text))
})

/** The kinds of problems of a body as a whole. */
export type BodyProblem = "body-too-large" | "request-timeout" | "unsupported-media-type"

/** A body of one media type that a route takes. */
export interface Body<A> {
  readonly mediaType: string
  /** Names the body in messages to callers who send another body, like `one purchase as application/json`. */
  readonly asked: string
  readonly documented: Schema.Constraint
  /** The media type of the answers to this body, if it is not the first media type of the route. */
  readonly answeredAs?: string
  /** Reads the body. Fails if the body is larger than its bound. */
  readonly read: (http: HttpContext) => Effect.Effect<A, Problem<FieldProblem | BodyProblem>>
}

/** Problems that every route may answer with, and that no route declares. */
export const commonProblems = ["malformed-request", "not-acceptable", "internal-error"] as const
/** Problems that every route that is not public may answer with, and that no route declares. */
export const guardedProblems = ["unauthenticated", "forbidden", "too-many-requests", "unavailable"] as const
type UndeclaredProblem = (typeof commonProblems)[number] | "unauthenticated" | "forbidden"

/**
 * The declaration of a route. The edge serves requests by the declaration, and makes the OpenAPI document from the
 * declaration.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** The path with its parameters in braces, like `/users/{id}/total`. */
  readonly path: string
  /** Names the route for programs. */
  readonly name: string
  readonly group:
    | "Purchases"
    | "Users"
    | "Rules"
    | "Alerts"
    | "Webhooks"
    | "Rejected"
    | "Feeds"
    | "Compatible"
    | "Service"
  readonly summary: string
  readonly description?: string
  /** The parameters in the path, in the order in which they are read. */
  readonly parameters: Readonly<Record<string, Field<unknown>>>
  readonly query: Readonly<Record<string, Parameter<unknown>>>
  readonly headers: Readonly<Record<string, HeaderParameter<unknown>>>
  /** Whether query parameters that are not in `query` are refused with 400, or ignored. */
  readonly otherQuery: "refused" | "ignored"
  /** The bodies that the route takes. A route without bodies ignores the body of a request. */
  readonly bodies: ReadonlyArray<Body<unknown>>
  readonly answers: AnswerSpecs
  readonly problems: ReadonlyArray<ProblemKind>
  /**
   * Whether the route stores something. While the edge stops, each route that stores something refuses its requests.
   * Such a route always refuses requests from pages of other sites, requests that a browser sends before its user opens
   * the address, and HEAD.
   */
  readonly stores: boolean
  /** The scope that a caller's token needs, or `public` if no token is needed. */
  readonly scope: Scope | "public"
  /**
   * Whose data the route gives. `own` stands for the user in the path or body of the request, and the caller's token
   * must give the data of that user. `all` stands for all users, and `none` for no user.
   */
  readonly users: "own" | "all" | "none"
  /** Whether the answer is written for a long time, so that the request is in flight until its answer is over. */
  readonly isStreamed: boolean
  /** Answers a request; `body` is the member of `bodies` that was sent. */
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
  /** Set only for routes of probes and browsers, which add parameters that are not meant for this service. */
  readonly otherQuery?: "ignored"
  readonly headers?: Headers
  readonly bodies?: B
  readonly answers: A
  readonly problems?: ReadonlyArray<Kind>
  /**
   * Whether the route stores something. The member `stores` has no default, because the checks of origin depend on
   * `stores`.
   */
  readonly stores: boolean
  /**
   * The scope that a caller's token needs. `public` routes give no data of users and nothing about the running system.
   * The member `scope` has no default, so that no route is open by mistake.
   */
  readonly scope: Route["scope"]
  /**
   * Set only if `handle` compares each user of the request with the users of the caller's token. A user in the path is
   * compared without `checksUsers`. A route that compares no user is only for tokens of all users.
   */
  readonly checksUsers?: true
  /**
   * Returns the points that a request costs its caller. The default of the cost is 1, for a read of one account or one
   * post.
   */
  readonly cost?: (request: ReadOf<Path_> & ReadOf<Query>) => number
  /**
   * Interrupts `handle` when the caller leaves. Only long requests need the interruption. For the interruption the
   * adapter makes an AbortController and a whole Request, which cost more than a short request.
   */
  readonly isLong?: true
  /** Counts the request as in flight until its answer is over, and not until the answer begins. */
  readonly isStreamed?: true
  readonly handle: (
    request: ReadOf<Path_> & ReadOf<Query> & ReadOf<Headers> & { readonly body: BodyOf<B> },
    edge: EdgeRuntime,
    http: HttpContext
  ) => Effect.Effect<
    // A route that streams makes its Response itself.
    Reply<A> | Response,
    EdgeFailure<NoInfer<Kind> | UndeclaredProblem>,
    EdgeServices
  >
}

/** Returns whether the path of a route has a user. */
export const namesUser = ({ parameters }: Pick<Route, "parameters">): boolean =>
  Object.values(parameters).some(({ isUser }) => isUser === true)

/** The scopes of routes that give no data of users. */
const scopesWithoutUsers: ReadonlyArray<Route["scope"]> = ["public", "status:read", "metrics:read"]

const usersOf = ({ scope, parameters }: Pick<Route, "scope" | "parameters">, checksUsers: boolean): Route["users"] => {
  if (checksUsers || namesUser({ parameters })) return "own"
  return scopesWithoutUsers.includes(scope) ? "none" : "all"
}

/**
 * Returns whether an answer is a Response. The adapter replaces node's class Response, so the class of the headers is
 * checked.
 */
const isResponse = (answer: { readonly headers: object }): answer is Response => answer.headers instanceof Headers

/**
 * Returns the function that reads the parameters of a request. The function returns the values of all parameters, or
 * the problem of the first wrong parameter.
 */
const parameterReader = (declared: Pick<Route, "parameters" | "query" | "headers" | "otherQuery">) => {
  const parameters = Object.entries<Field<unknown>>(declared.parameters)
  const query = Object.entries<Parameter<unknown>>(declared.query)
  const headers = Object.entries<HeaderParameter<unknown>>(declared.headers)
  const queryNames = query.map(([name]) => name)
  return (edge: EdgeRuntime, http: HttpContext): Record<string, unknown> | Problem => {
    const values: Record<string, unknown> = {}
    const keep = (name: string, value: unknown) => (values[name] = value)
    for (const [name, { read, isUser }] of parameters) {
      const value = keep(name, read(http.req.param(name) ?? ""))
      if (isProblem(value)) return value
      if (isUser === true && !mayUse(callerOf(edge, http), String(value))) return unknownUser(String(value))
    }
    const given = givenQuery(http.req.url, queryNames, declared.otherQuery)
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
}

/**
 * Declares a route. The edge reads requests as the declaration says. The OpenAPI document is made from the declaration.
 * The types let the function `handle` give only the declared answers, and fail only with the declared problems.
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
  const { handle, isLong, checksUsers = false, cost = () => 1, ...declared } = declaration
  const otherQuery = declared.otherQuery ?? "refused"
  const readParameters = parameterReader({ query: {}, headers: {}, ...declared, otherQuery })

  const serve = (edge: EdgeRuntime, http: HttpContext, sent: Body<unknown> | undefined): Promise<Response> => {
    type Request = Parameters<typeof handle>[0]
    const values = readParameters(edge, http)
    const answered: Effect.Effect<Reply<A> | Response, EdgeFailure, EdgeServices> = isProblem(values)
      ? Effect.fail(values)
      : paid(
          edge,
          http,
          () => cost(values as Request),
          Effect.flatMap(
            sent?.read(http) ?? Effect.undefined,
            (body) => handle({ ...values, body } as Request, edge, http) as typeof answered
          )
        )
    const response = Effect.map(answered, (answer) =>
      isResponse(answer) ? answer : replyResponse(answer, declared.answers)
    )
    const options = isLong ? { signal: http.req.raw.signal } : undefined
    return traced(edge, http, declared, response, (work) => respond(edge, http, work, options))
  }

  return {
    ...declared,
    query: declared.query ?? {},
    otherQuery,
    isStreamed: declared.isStreamed ?? false,
    users: usersOf(declared, checksUsers),
    headers: declared.headers ?? {},
    bodies: declared.bodies ?? [],
    problems: declared.problems ?? [],
    serve
  }
}
