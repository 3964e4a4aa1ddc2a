import { TLSSocket } from "node:tls"
import { Effect, Exit, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { serialize } from "hono/utils/cookie"
import { jsonAnswer, jsonMediaType, reply } from "../contract/AnswerSpec.ts"
import { connectionOf } from "../contract/Connection.ts"
import { boundedBody } from "../contract/BodyLimit.ts"
import { Instant, instant } from "../contract/AnswerBodies.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import { referenceTo } from "../contract/Reference.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"
import { type Body, route } from "../route/Route.ts"
import { accessNotReady, callerWith, identified, type Refused, sessionCookie } from "./Access.ts"
import { type Caller, everybody } from "./Caller.ts"

/** The largest body of a request with a token, in bytes. A token that is a JWT may have some kibibytes. */
const bodyBytesMax = 8 * 1024
/** The time for which a browser keeps the token, in seconds. */
const sessionSeconds = 12 * 60 * 60

// A schema named `New<name>` would clash with the function that generated Go clients have for the schema `<name>`.
const SessionToken = Schema.Struct({ token: Schema.String }).annotate({ identifier: "SessionToken" })
const decodeSessionToken = Schema.decodeUnknownExit(Schema.fromJsonString(SessionToken), { onExcessProperty: "error" })

const CallerState = Schema.Struct({
  id: Schema.String.annotateKey({ description: "The id of the token, which is no secret." }),
  name: Schema.String,
  scopes: Schema.Array(Schema.String),
  users: Schema.Literals(["all", "some"]),
  expiresAt: Schema.optionalKey(Instant)
}).annotate({ identifier: "Caller" })

const SessionState = Schema.Struct({
  needed: Schema.Boolean.annotateKey({ description: "Whether this edge asks its callers for a token." }),
  caller: Schema.optionalKey(CallerState).annotateKey({
    description: "The caller; missing if its token is missing or wrong."
  })
}).annotate({ identifier: "Session" })

const tooLarge = problem("body-too-large", `A session has at most ${bodyBytesMax} bytes.`)
const noSession = problem("malformed-request", 'The body must be JSON like {"token": "pl_…"}.')

/** The body of a request with a token. No message repeats the text of the token in the body. */
const newSession: Body<string> = {
  mediaType: jsonMediaType,
  asked: `a token as ${jsonMediaType}`,
  documented: SessionToken,
  read: Effect.fnUntraced(function* (http: HttpContext) {
    const bytes = yield* boundedBody(http, bodyBytesMax, tooLarge)
    const read = decodeSessionToken(Buffer.from(bytes).toString("utf8"))
    return Exit.isSuccess(read) ? read.value.token : yield* Effect.fail(noSession)
  })
}

const stateOf = (edge: EdgeRuntime, caller: Caller | undefined): typeof SessionState.Type => ({
  needed: edge.access !== undefined,
  ...(caller === undefined
    ? {}
    : {
        caller: {
          id: caller.id,
          name: caller.name,
          scopes: [...caller.scopes],
          users: caller.users === "all" ? ("all" as const) : ("some" as const),
          ...(caller.expiresAt === undefined ? {} : { expiresAt: instant(caller.expiresAt) })
        }
      })
})

/** Returns whether the caller uses TLS with this edge, or with the proxy in front of this edge. */
const isEncrypted = (http: HttpContext): boolean =>
  connectionOf(http) instanceof TLSSocket || http.req.header("x-forwarded-proto") === "https"

/**
 * Writes the cookie with a token. Scripts cannot read the cookie, and browsers send the cookie only from pages of this
 * service.
 */
const cookieWith = (edge: EdgeRuntime, http: HttpContext, token: string, maxAge: number): string =>
  serialize(sessionCookie, token, {
    path: referenceTo(edge, "/"),
    httpOnly: true,
    sameSite: "Strict",
    secure: isEncrypted(http),
    maxAge
  })

const resolved = (found: Caller | Refused | Promise<Caller | Refused>): Effect.Effect<Caller | Refused> =>
  Effect.promise(async () => found)

const readRoute = route({
  method: "GET",
  path: "/session",
  name: "readSession",
  group: "Service",
  summary: "Whether this edge asks for a token, and the rights of the token that was sent",
  stores: false,
  scope: "public",
  parameters: {},
  answers: { 200: jsonAnswer("The rights of the caller.", SessionState) },
  problems: ["too-many-requests", "unavailable"],
  handle: Effect.fnUntraced(function* (_request, edge, http) {
    if (edge.access === undefined) return reply(200, stateOf(edge, everybody))
    const caller = yield* resolved(identified(edge, edge.access, http))
    if (isProblem(caller) && caller.kind === "unavailable") return yield* Effect.fail(accessNotReady)
    if (isProblem(caller) && caller.kind === "too-many-requests") {
      return yield* Effect.fail(caller as Problem<"too-many-requests">)
    }
    return reply(200, stateOf(edge, isProblem(caller) ? undefined : caller))
  })
})

const beginRoute = route({
  method: "POST",
  path: "/session",
  name: "beginSession",
  group: "Service",
  summary: "Keep a token in a cookie of the browser, for the dashboard",
  description: `Scripts cannot read the cookie. A browser keeps the cookie for ${sessionSeconds / 3_600} hours, and sends the cookie only from pages of this service.`,
  stores: true,
  scope: "public",
  parameters: {},
  bodies: [newSession],
  answers: { 200: jsonAnswer("The rights of the token.", SessionState, ["set-cookie"]) },
  problems: ["unauthenticated", "too-many-requests", "unavailable"],
  handle: Effect.fnUntraced(function* ({ body: token }, edge, http) {
    const { access } = edge
    if (access === undefined) return reply(200, stateOf(edge, everybody))
    if (!access.isReady()) return yield* Effect.fail(accessNotReady)
    const caller = yield* resolved(callerWith(edge, access, http, token))
    if (isProblem(caller)) return yield* Effect.fail(caller)
    return reply(200, stateOf(edge, caller), { "set-cookie": cookieWith(edge, http, token, sessionSeconds) })
  })
})

const endRoute = route({
  method: "POST",
  path: "/session/end",
  name: "endSession",
  group: "Service",
  summary: "Remove the cookie with the token from the browser",
  description: "The token itself stays valid.",
  stores: true,
  scope: "public",
  parameters: {},
  answers: { 200: jsonAnswer("The cookie is removed.", SessionState, ["set-cookie"]) },
  handle: (_request, edge, http) =>
    Effect.succeed(reply(200, stateOf(edge, undefined), { "set-cookie": cookieWith(edge, http, "", 0) }))
})

/** The routes with which the dashboard exchanges a token for a cookie. */
export const sessionRoutes = [readRoute, beginRoute, endRoute]
