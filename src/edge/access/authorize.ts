import type { Context as HttpContext } from "hono"
import { type EdgeRuntime, refusal } from "../runtime/EdgeRuntime.ts"
import type { AuditRecord } from "../../protocol/AuditRecord.ts"
import { connectionOf } from "../contract/Connection.ts"
import { instanceOf } from "../contract/Reference.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import type { Route } from "../route/Route.ts"
import { type Access, identified, lacking } from "./Access.ts"
import { type Caller, setCaller } from "./Caller.ts"

/** Returns the problem for a caller who may not use a route; `undefined` if the caller may use the route. */
const rightsProblem = (
  { method, path, scope, users }: Pick<Route, "method" | "path" | "scope" | "users">,
  caller: Caller
): Problem<"forbidden"> | undefined => {
  if (scope !== "public" && !caller.scopes.has(scope)) {
    return lacking(`${method} ${path} needs a token with the scope ${scope}, and this one does not have it.`, scope)
  }
  if (users !== "all" || caller.users === "all") return undefined
  return lacking(`${method} ${path} gives the data of all users, and this token is for some of them.`, scope)
}

/**
 * Returns whether an audit record is written for each request of a route. Audit records are written for replays, bulk
 * purchases, and changes of rules and webhooks. Posts of purchases have an audit record only if the operator asks for
 * it, because a record costs as much as the purchase.
 */
const isAudited = ({ stores, scope }: Pick<Route, "stores" | "scope">, { auditPosts = false }: EdgeRuntime): boolean =>
  stores && scope !== "public" && (auditPosts || scope !== "purchases:write")

const recordOf = (edge: EdgeRuntime, http: HttpContext, route: Route, caller: Caller): AuditRecord => {
  const from = connectionOf(http)?.remoteAddress
  return {
    v: 1,
    by: caller.id,
    name: caller.name,
    ...(from === undefined ? {} : { from }),
    what: route.name,
    of: instanceOf(edge, http),
    at: Date.now()
  }
}

const unaudited = problem(
  "unavailable",
  "It cannot be written down who asks for this. Nothing was changed; try again.",
  {
    "retry-after": "1"
  }
)

/**
 * Answers a request by `serve` if the caller has the rights that the route needs. Refuses a request whose caller lacks
 * a right.
 */
export const authorized = (
  edge: EdgeRuntime,
  access: Access,
  http: HttpContext,
  route: Route,
  serve: () => Response | Promise<Response>
): Response | Promise<Response> => {
  const decide = (caller: Caller | Problem) => {
    const wrong = isProblem(caller) ? caller : rightsProblem(route, caller)
    if (wrong !== undefined) return refusal(edge, http, wrong)
    const known = caller as Caller
    setCaller(http, known)
    if (!isAudited(route, edge) || http.req.method === "HEAD") return serve()
    return access.audit(recordOf(edge, http, route, known)).then((written) => {
      return written ? serve() : refusal(edge, http, unaudited)
    })
  }
  const caller = identified(edge, access, http)
  return caller instanceof Promise ? caller.then(decide) : decide(caller)
}
