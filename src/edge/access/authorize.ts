import type { Context as HttpContext } from "hono"
import { type EdgeRuntime, refusal } from "../runtime/EdgeRuntime.ts"
import { isProblem, type Problem } from "../contract/Problem.ts"
import type { Route } from "../route/Route.ts"
import { type Access, identified, lacking } from "./Access.ts"
import { type Caller, setCaller } from "./Caller.ts"

/** Returns the problem of a caller who may not use a route, or `undefined`. */
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

/** Answers a request by `serve` if its caller has the rights that the route needs, or else refuses the request. */
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
    setCaller(http, caller as Caller)
    return serve()
  }
  const caller = identified(access, http)
  return caller instanceof Promise ? caller.then(decide) : decide(caller)
}
