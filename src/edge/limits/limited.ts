import { isIPv4, isIPv6 } from "node:net"
import type { IncomingMessage, ServerResponse } from "node:http"
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

interface NodeEnvironment {
  readonly incoming?: IncomingMessage
  readonly outgoing?: ServerResponse
}

const nodeOf = (http: HttpContext): NodeEnvironment => (http.env ?? {}) as NodeEnvironment

/** The groups of an IPv6 address that name a network. One machine may have every address of its network. */
const networkGroups = 4

/** Returns the IPv4 address, or the network of an IPv6 address. */
export const networkOf = (address: string): string => {
  const plain = address.replace(/^::ffff:/i, "")
  if (isIPv4(plain) || !isIPv6(plain)) return plain
  const [head = "", tail] = plain.split("::")
  const before = head.split(":").filter((group) => group !== "")
  const after = (tail ?? "").split(":").filter((group) => group !== "")
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0")
  return [...before, ...zeros, ...after].slice(0, networkGroups).join(":")
}

const limitedKey = "limited"

/**
 * Returns the caller of a request if it is bounded: by its token, or by its address. Callers of this machine without a
 * token are not told apart, and not bounded.
 */
const limitedCaller = (edge: EdgeRuntime, http: HttpContext): LimitedCaller | undefined => {
  if (edge.access !== undefined) {
    const { id, limits } = callerOf(edge, http)
    return { key: `token ${id}`, limits }
  }
  const network = networkOf(nodeOf(http).incoming?.socket.remoteAddress ?? "::1")
  return isLoopback(network) || network === "0:0:0:0" ? undefined : { key: `address ${network}`, limits: {} }
}

const flightKind = (route: Route, body: Body<unknown> | undefined): FlightKind => {
  if (route.answers[200]?.mediaType === "text/event-stream") return "feeds"
  if (body?.mediaType === linesMediaType) return "lineBodies"
  return route.stores ? "waitingPosts" : "reads"
}

/** Calls `end` when an answer is over. Feeds and answers to lines go on after the promise of their response. */
const whenOver = async (http: HttpContext, isLong: boolean, answer: Promise<Response>, end: () => void) => {
  const { outgoing } = nodeOf(http)
  if (isLong && outgoing !== undefined) {
    if (outgoing.closed) end()
    else outgoing.once("close", end)
    return answer
  }
  return answer.finally(end)
}

/** Serves a request of a route if its caller has not too many requests in flight. */
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
  return whenOver(http, kind === "feeds" || kind === "lineBodies", route.serve(edge, http, body), end)
}

/** Does the work of a request if its caller has the points that it costs. The questions of callers take turns. */
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
