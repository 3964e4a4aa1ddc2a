import type { Context, MiddlewareHandler } from "hono"
import { accepts } from "hono/accepts"
import { jsonMediaType, mediaTypesOf } from "./Answer.ts"
import { type Edge, refusal, stopping } from "./Edge.ts"
import { isProblem, problem, problemMediaType } from "./Problem.ts"
import { mediaTypeOf, type Route } from "./Route.ts"

/** Answers where a caller takes nothing of what there is: JSON, but for routes that say otherwise. */
export const unlessAccepted = (
  edge: Edge,
  http: Context,
  offered: ReadonlyArray<string> = [jsonMediaType]
): Response | undefined => {
  if (http.req.header("accept") === undefined) return undefined
  const matching = new Set([...offered, problemMediaType, ...offered.map((type) => `${type.split("/")[0]}/*`), "*/*"])
  const taken = accepts(http, {
    header: "Accept",
    supports: [],
    default: "",
    match: (wanted) => (wanted.some(({ type, q }) => q > 0 && matching.has(type.toLowerCase())) ? "something" : "")
  })
  if (taken !== "") return undefined
  return refusal(edge, http, problem("not-acceptable", `Answers are ${offered.join(" or ")}.`))
}

export const notAllowed = (edge: Edge, http: Context, allow: string): Response =>
  refusal(
    edge,
    http,
    problem("method-not-allowed", `${http.req.method} is not allowed here. Allowed: ${allow}.`, { allow })
  )

/** The media types of what a route answers when all goes well. */
const offeredBy = (route: Route): ReadonlyArray<string> | undefined => Object.values(route.answers).map(mediaTypesOf)[0]

/** What is asked of a request before a route looks at it. */
export const admit = (route: Route, edge: Edge): MiddlewareHandler => {
  const offered = offeredBy(route)
  const bodies = new Map(route.bodies.map((body) => [body.mediaType, body]))
  const unsupported = problem("unsupported-media-type", `Send ${route.bodies.map(({ asked }) => asked).join(", or ")}.`)
  return async (http, next) => {
    const mediaType = bodies.size === 0 ? "" : mediaTypeOf(http)
    if (isProblem(mediaType)) return refusal(edge, http, mediaType)
    const body = bodies.get(mediaType)
    const isSupported = body !== undefined || bodies.size === 0
    const answered = body?.answeredAs === undefined ? offered : [body.answeredAs]
    const refused = isSupported ? unlessAccepted(edge, http, answered) : undefined
    if (refused !== undefined) return refused
    if (route.stores) {
      // Previews and link checkers send a HEAD to look, and must not write by it.
      if (http.req.method === "HEAD") return notAllowed(edge, http, route.method)
      if (edge.isDraining()) return refusal(edge, http, stopping)
    }
    if (!isSupported) return refusal(edge, http, unsupported)
    return next()
  }
}
