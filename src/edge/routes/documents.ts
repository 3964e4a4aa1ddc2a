import { Effect, Schema } from "effect"
import { jsonAnswer, reply } from "../Answer.ts"
import { type Route, route } from "../Route.ts"

/** What each read takes; lists of routes leave it out. */
const everywhere = "consistency"

const lineOf = ({ method, path, query }: Route): string => {
  const names = Object.keys(query).filter((name) => name !== everywhere)
  return `${method} ${path}${names.length === 0 ? "" : `?${names.map((name) => `${name}=`).join("&")}`}`
}

/** The routes that tell of all routes. */
export const documentRoutes = (routes: () => ReadonlyArray<Route>): ReadonlyArray<Route> => [
  route({
    method: "GET",
    path: "/",
    name: "listRoutes",
    group: "Service",
    summary: "What there is",
    parameters: {},
    answers: {
      200: jsonAnswer(
        "The routes.",
        Schema.Struct({ service: Schema.Literal("purchase-ledger"), routes: Schema.Array(Schema.String) })
      )
    },
    handle: () => {
      const others = routes().filter(({ path }) => path !== "/")
      return Effect.succeed(reply(200, { service: "purchase-ledger", routes: others.map(lineOf) }))
    }
  })
]
