import { Hono } from "hono"
import { admitted, notAllowed, unlessAccepted } from "./Preconditions.ts"
import { type EdgeProcess, loggedRefusal, makeEdgeRuntime, refusal, serverMistake } from "../runtime/EdgeRuntime.ts"
import { measured } from "./EdgeMetrics.ts"
import { problem, problemResponse } from "../contract/Problem.ts"
import { instanceOf, referenceTo } from "../contract/Reference.ts"
import type { Route } from "../route/Route.ts"
import { routes as allRoutes, routesWithoutStoringGets } from "./Routes.ts"

const isDecodable = (url: string): boolean => {
  if (!url.includes("%")) return true
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}

/** Returns a path in the spelling of the router: `{id}` becomes `:id`. */
const routerPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ":$1")

/** Returns whether a path fits every request that another path fits: `/users/{id}` covers `/users/me`. */
const covers = (general: string, path: string): boolean => {
  const [wide, narrow] = [general.split("/"), path.split("/")]
  return wide.length === narrow.length && wide.every((part, index) => part === narrow[index] || part.startsWith("{"))
}

/**
 * Returns the methods of each path, as the header Allow lists them. For a GET that stores, the header does not list
 * HEAD.
 */
const allowedMethods = (routes: ReadonlyArray<Route>): ReadonlyMap<string, string> =>
  new Map(
    routes.map(({ path }) => [
      path,
      routes
        .filter((route) => covers(route.path, path))
        .flatMap(({ method, stores }) => (method === "GET" && !stores ? ["GET", "HEAD"] : [method]))
        .join(", ")
    ])
  )

/**
 * Makes the HTTP application of an edge: all routes, and the answers to requests that no route takes. The application
 * opens no socket.
 */
export const makeApp = (process: EdgeProcess): Hono => {
  const edge = makeEdgeRuntime(process)
  const routes = (process.compatibleRoutes ?? true) ? allRoutes : routesWithoutStoringGets
  const app = new Hono({ strict: false })

  const undecodable = problem("malformed-request", "The path or query has a malformed percent-encoding.")

  app.use(async (http, next) => {
    if (isDecodable(http.req.url)) await next()
    else http.res = problemResponse(undecodable, referenceTo(edge, "/"))
    // A connection that is kept open would hold up the stopping process until the client closes the connection.
    if (edge.isDraining()) http.res.headers.set("connection", "close")
  })

  const methodsByPath = allowedMethods(routes)
  for (const route of routes) {
    const allow = methodsByPath.get(route.path) ?? route.method
    app.on(route.method, routerPath(route.path), measured(route.path), admitted(route, edge, allow))
  }

  // The handlers for wrong methods come after all routes, so they get the requests whose method the path does not have.
  for (const [path, allow] of methodsByPath) {
    app.all(routerPath(path), measured(path), (http) => unlessAccepted(edge, http) ?? notAllowed(edge, http, allow))
  }

  app.notFound(
    (http) =>
      unlessAccepted(edge, http) ??
      refusal(
        edge,
        http,
        problem("not-found", `No route has the path ${instanceOf(edge, http)}. GET / lists the routes.`)
      )
  )
  app.onError((error, http) => {
    return loggedRefusal(edge, http, serverMistake, { text: String(error), logged: error })
  })
  return app
}
