import type { Context as HttpContext } from "hono"
import { Effect } from "effect"
import { type OpenSpan, RequestSpan } from "../../runtime/Traces.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"
import type { Route } from "./Route.ts"

/** The least status of an answer that is a failure of the service, and not of the request. */
const serverFailureMin = 500

/**
 * Begins the span of a request. The attributes of the span have the route, like `/users/{id}/total`, and no user and no
 * id.
 */
const spanOf = (
  { traces }: EdgeRuntime,
  http: HttpContext,
  { method, path }: Pick<Route, "method" | "path">
): OpenSpan | undefined =>
  traces?.request(http.req.header("traceparent"), {
    name: `${method} ${path}`,
    kind: "server",
    attributes: { "http.request.method": http.req.method, "http.route": path }
  })

/**
 * Answers a request by the function `answer`, in a span if the request is traced. The function `answer` is called with
 * the work of the request.
 */
export const traced = <A, E, R>(
  edge: EdgeRuntime,
  http: HttpContext,
  route: Pick<Route, "method" | "path">,
  work: Effect.Effect<A, E, R>,
  answer: (work: Effect.Effect<A, E, R>) => Promise<Response>
): Promise<Response> => {
  const span = spanOf(edge, http, route)
  if (span === undefined) return answer(work)
  return answer(Effect.provideService(work, RequestSpan, span) as typeof work).then((response) => {
    const { status } = response
    span.end({ "http.response.status_code": status }, status < serverFailureMin ? undefined : `status ${status}`)
    return response
  })
}
