import type { ServerResponse } from "node:http"
import { Effect } from "effect"
import type { Context as HttpContext } from "hono"
import { AskingCaller } from "../../asking/CallerTurns.ts"
import { callerOf } from "../access/Caller.ts"
import { linesMediaType } from "../contract/AnswerSpec.ts"
import { isLoopback } from "../contract/HostName.ts"
import { isProblem, type Problem } from "../contract/Problem.ts"
import { type EdgeRuntime, refusal } from "../runtime/EdgeRuntime.ts"
import type { Body, Route } from "../route/Route.ts"
import type { FlightKind, LimitedCaller } from "./CallerLimits.ts"
import { callerNetwork } from "./CallerNetwork.ts"

interface NodeEnvironment {
  readonly outgoing?: ServerResponse
}

const nodeOf = (http: HttpContext): NodeEnvironment => (http.env ?? {}) as NodeEnvironment

const limitedKey = "limited"

/**
 * Returns the caller of a request, named by its token or its address. Returns `undefined` for a caller without a token
 * on the edge's own machine, because such callers have no bounds.
 */
const limitedCaller = (edge: EdgeRuntime, http: HttpContext): LimitedCaller | undefined => {
  if (edge.access !== undefined) {
    const { id, limits } = callerOf(edge, http)
    return { key: id, limits }
  }
  const network = callerNetwork(http) ?? "::"
  return isLoopback(network) || network === "::" ? undefined : { key: network, limits: {} }
}

const flightKind = (route: Route, body: Body<unknown> | undefined): FlightKind => {
  if (route.answers[200]?.mediaType === "text/event-stream") return "feeds"
  if (body?.mediaType === linesMediaType) return "lineBodies"
  return route.stores ? "waitingPosts" : "reads"
}

/** Calls `end` when an answer is over. A feed, or the answer to a body of lines, ends when its connection closes. */
const whenOver = (http: HttpContext, isLong: boolean, answer: Promise<Response>, end: () => void) => {
  const { outgoing } = nodeOf(http)
  if (isLong && outgoing !== undefined) {
    if (outgoing.closed) end()
    else outgoing.once("close", end)
    return answer
  }
  return answer.finally(end)
}

/** Serves a request of a route, unless its caller has too many requests in flight. */
export const servedWithinLimits = (
  edge: EdgeRuntime,
  http: HttpContext,
  route: Route,
  body: Body<unknown> | undefined
): Response | Promise<Response> => {
  const caller = limitedCaller(edge, http)
  if (caller === undefined) return route.serve(edge, http, body)
  const kind = flightKind(route, body)
  const end = edge.limits.begin(caller, kind)
  if (isProblem(end)) return refusal(edge, http, end)
  http.set(limitedKey, caller)
  const isLong = kind === "feeds" || kind === "lineBodies" || route.isStreamed
  return whenOver(http, isLong, route.serve(edge, http, body), end)
}

/**
 * Does the work of a request if its caller has the points that the request costs. The questions of different callers
 * take turns.
 */
export const paid = <A, E, R>(
  edge: EdgeRuntime,
  http: HttpContext,
  cost: () => number,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Problem<"too-many-requests">, R> => {
  const caller: LimitedCaller | undefined = http.get(limitedKey)
  if (caller === undefined) return work
  const taken = Effect.provideService(work, AskingCaller, caller.key) as typeof work
  return Effect.flatMap(
    Effect.promise(() => edge.limits.spend(caller, cost())),
    (refused): Effect.Effect<A, E | Problem<"too-many-requests">, R> =>
      refused === undefined ? taken : Effect.fail(refused)
  )
}
