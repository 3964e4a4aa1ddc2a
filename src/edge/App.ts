import { Effect } from "effect"
import { type Context, Hono } from "hono"
import { accepts } from "hono/accepts"
import { type Edge, serverMistake, stopping } from "./Edge.ts"
import { instanceOf, problem, problemMediaType, problemResponse } from "./Problem.ts"
import { compatibleRoutes, writesByGet } from "./routes/compatible.ts"
import { probeRoutes } from "./routes/probes.ts"
import { purchaseRoutes } from "./routes/purchases.ts"
import { userRoutes } from "./routes/users.ts"

const offered = "application/json"
const matching: ReadonlySet<string> = new Set([offered, problemMediaType, "application/*", "*/*"])

/** Whether a caller takes JSON: a request that names no type does. */
const takesJson = (http: Context): boolean =>
  http.req.header("accept") === undefined ||
  accepts(http, {
    header: "Accept",
    supports: [],
    default: "",
    match: (wanted) => (wanted.some(({ type, q }) => q > 0 && matching.has(type.toLowerCase())) ? offered : "")
  }) === offered

const isDecodable = (url: string): boolean => {
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}

const notAllowed = (http: Context, allow: string): Response =>
  problemResponse(
    problem("method-not-allowed", `${http.req.method} is not allowed here. Allowed: ${allow}.`, { allow }),
    instanceOf(http)
  )

/** The HTTP application: routes, and what is the same for all of them. It opens no socket. */
export const makeApp = (edge: Edge): Hono => {
  const app = new Hono({ strict: false })

  // A kept connection would hold the stopping process up until its client lets go of it.
  app.use(async (http, next) => {
    await next()
    if (edge.isDraining()) http.res.headers.set("connection", "close")
  })

  app.use(async (http, next) => {
    if (!isDecodable(http.req.url)) {
      const detail = "The path or query has a malformed percent-encoding."
      return problemResponse(problem("malformed-request", detail), "/")
    }
    if (!takesJson(http)) return problemResponse(problem("not-acceptable", `Answers are ${offered}.`), instanceOf(http))
    return next()
  })

  for (const path of writesByGet) {
    app.use(path, async (http, next) => {
      // Previews and link checkers send a HEAD to look, and must not write by it.
      if (http.req.method === "HEAD") return notAllowed(http, "GET")
      return edge.isDraining() ? problemResponse(stopping, instanceOf(http)) : next()
    })
  }

  probeRoutes(app, edge)
  compatibleRoutes(app, edge)
  purchaseRoutes(app, edge)
  userRoutes(app, edge)

  // After all routes: a path that is known, with a method that is not.
  const methods = new Map<string, Set<string>>()
  for (const route of app.routes) {
    if (route.method === "ALL") continue
    const known = methods.get(route.path) ?? new Set()
    methods.set(route.path, known.add(route.method))
  }
  for (const [path, known] of methods) {
    const allow = [...known, ...(known.has("GET") && !writesByGet.has(path) ? ["HEAD"] : [])].join(", ")
    app.all(path, (http) => notAllowed(http, allow))
  }

  app.notFound((http) =>
    problemResponse(
      problem("not-found", `There is nothing at ${instanceOf(http)}. GET / lists what there is.`),
      instanceOf(http)
    )
  )
  app.onError(async (error, http) => {
    await edge.runPromiseExit(Effect.logError("a request failed", error))
    return problemResponse(serverMistake, instanceOf(http))
  })
  return app
}
