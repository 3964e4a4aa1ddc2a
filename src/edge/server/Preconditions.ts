import type { Context } from "hono"
import { accepts } from "hono/accepts"
import { jsonMediaType, mediaTypeIn, mediaTypesOf } from "../contract/AnswerSpec.ts"
import { type EdgeRuntime, refusal, stopping } from "../runtime/EdgeRuntime.ts"
import { singleHeader } from "../contract/HeaderLines.ts"
import { isProblem, type Problem, problem, problemMediaType } from "../contract/Problem.ts"
import type { Route } from "../route/Route.ts"
import { servedWithinLimits } from "../limits/limited.ts"
import { authorized } from "../access/authorize.ts"

/**
 * Returns the answer 406 if the caller takes none of the offered media types, or `undefined` if the caller takes one of
 * them.
 */
export const unlessAccepted = (
  edge: EdgeRuntime,
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

/** Returns the answer 405, with the methods that the path has. */
export const notAllowed = (edge: EdgeRuntime, http: Context, allow: string): Response =>
  refusal(
    edge,
    http,
    problem("method-not-allowed", `${http.req.method} is not allowed here. Allowed: ${allow}.`, { allow })
  )

/**
 * The values of `Sec-Fetch-Site` with which a request may store. `same-origin` means a page of this service, and `none`
 * means that a person opened the address.
 */
const storingSites = ["same-origin", "none"]

/**
 * Returns the problem of a storing request that a browser sends for a page of another site, or before the user opens
 * the address. Programs other than browsers send neither `Sec-Fetch-Site` nor `Sec-Purpose`.
 */
const storingProblem = (http: Context): Problem<"origin-refused"> | undefined => {
  const site = http.req.header("sec-fetch-site")
  if (site !== undefined && !storingSites.includes(site)) {
    return problem("origin-refused", "A page of another site may not store here. Store from a page of this service.")
  }
  if (!/\bprefetch\b/i.test(http.req.header("sec-purpose") ?? "")) return undefined
  return problem("origin-refused", "A browser may not store ahead of its user. Open the address itself.")
}

/** Returns the media types of a route's first answer, which is a success. */
const offeredBy = (route: Route): ReadonlyArray<string> | undefined => Object.values(route.answers).map(mediaTypesOf)[0]

/**
 * Returns the media type of a request's body, an empty text if the request names no media type, or a problem if it
 * names two.
 */
const mediaTypeOf = (http: Context): string | Problem<"malformed-request"> => {
  const contentType = singleHeader(http, "Content-Type")
  return isProblem(contentType) ? contentType : mediaTypeIn(contentType)
}

/**
 * Returns the handler of a route. The handler refuses a request that the route cannot take, before it reads any
 * parameter. `allow` lists the methods of the route's path.
 */
export const admitted = (route: Route, edge: EdgeRuntime, allow: string) => {
  const offered = offeredBy(route)
  const bodies = new Map(route.bodies.map((body) => [body.mediaType, body]))
  const unsupported = problem("unsupported-media-type", `Send ${route.bodies.map(({ asked }) => asked).join(", or ")}.`)
  const served = (http: Context): Response | Promise<Response> => {
    const mediaType = bodies.size === 0 ? "" : mediaTypeOf(http)
    if (isProblem(mediaType)) return refusal(edge, http, mediaType)
    const body = bodies.get(mediaType)
    const isSupported = body !== undefined || bodies.size === 0
    const answered = body?.answeredAs === undefined ? offered : [body.answeredAs]
    const refused = isSupported ? unlessAccepted(edge, http, answered) : undefined
    if (refused !== undefined) return refused
    if (route.stores) {
      // Link previews and link checkers send HEAD, and a HEAD must store nothing.
      if (http.req.method === "HEAD") return notAllowed(edge, http, allow)
      if (edge.isDraining()) return refusal(edge, http, stopping)
    }
    if (!isSupported) return refusal(edge, http, unsupported)
    return route.scope === "public" ? route.serve(edge, http, body) : servedWithinLimits(edge, http, route, body)
  }
  return (http: Context): Response | Promise<Response> => {
    const foreign = route.stores ? storingProblem(http) : undefined
    if (foreign !== undefined) return refusal(edge, http, foreign)
    const { access } = edge
    if (access === undefined || route.scope === "public") return served(http)
    return authorized(edge, access, http, route, () => served(http))
  }
}
