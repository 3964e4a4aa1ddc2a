import { Effect, Schema } from "effect"
import { jsonAnswer, reply, textAnswer } from "../contract/AnswerSpec.ts"
import { documentPage, documentPagePolicy } from "../route/DocumentPage.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"
import { type OpenApi, openApi } from "../route/OpenApi.ts"
import { type Route, route } from "../route/Route.ts"
import { dashboardPage, isPageWanted, orPage } from "../dashboard/routes.ts"

/** The query parameter that every read has, and that the list of routes does not show. */
const everywhere = "consistency"

const lineOf = ({ method, path, query }: Route): string => {
  const names = Object.keys(query).filter((name) => name !== everywhere)
  return `${method} ${path}${names.length === 0 ? "" : `?${names.map((name) => `${name}=`).join("&")}`}`
}

/**
 * Makes the routes that describe all routes. The OpenAPI document is made once, at the first request for the document.
 */
export const documentRoutes = (routes: () => ReadonlyArray<Route>): ReadonlyArray<Route> => {
  let made: OpenApi | undefined
  const document = ({ pathPrefix = "", access }: EdgeRuntime): OpenApi => ({
    ...(made ??= openApi(routes(), access !== undefined)),
    servers: [{ url: pathPrefix || "/" }]
  })

  const listRoute = route({
    method: "GET",
    path: "/",
    name: "listRoutes",
    group: "Service",
    summary: "The list of routes; for a browser, the dashboard",
    stores: false,
    scope: "public",
    parameters: {},
    // Sites and mail programs add parameters to the links that they show.
    otherQuery: "ignored",
    answers: {
      200: orPage(
        jsonAnswer(
          "The routes. A caller that prefers text/html to JSON gets a page that shows the system at work.",
          Schema.Struct({ service: Schema.Literal("purchase-ledger"), routes: Schema.Array(Schema.String) }),
          ["content-security-policy"]
        )
      )
    },
    handle: (_request, { demo }, http) => {
      if (isPageWanted(http)) return Effect.succeed(dashboardPage(demo === true))
      const others = routes().filter(({ path }) => path !== "/")
      return Effect.succeed(reply(200, { service: "purchase-ledger", routes: others.map(lineOf) }))
    }
  })

  const documentRoute = route({
    method: "GET",
    path: "/openapi.json",
    name: "readDocument",
    group: "Service",
    summary: "This description of the service, for programs",
    stores: false,
    scope: "public",
    parameters: {},
    answers: { 200: jsonAnswer("An OpenAPI document.", Schema.Record(Schema.String, Schema.Unknown)) },
    handle: (_request, edge) => Effect.sync(() => reply(200, { ...document(edge) }))
  })

  const pageRoute = route({
    method: "GET",
    path: "/docs",
    name: "readPage",
    group: "Service",
    summary: "This description of the service, for people",
    stores: false,
    scope: "public",
    parameters: {},
    // Sites and mail programs add parameters to the links that they show.
    otherQuery: "ignored",
    answers: { 200: textAnswer("text/html", "A page that loads nothing else.", ["content-security-policy"]) },
    handle: (_request, edge, http) =>
      Effect.sync(() => {
        const root = new URL(http.req.url).pathname.endsWith("/") ? "../" : ""
        return reply(200, documentPage(document(edge), root), { "content-security-policy": documentPagePolicy })
      })
  })

  return [listRoute, documentRoute, pageRoute]
}
