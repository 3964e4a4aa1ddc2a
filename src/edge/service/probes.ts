import { Effect, Schema } from "effect"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { accessNotReady } from "../access/Access.ts"
import { stopping } from "../runtime/EdgeRuntime.ts"
import { wordField } from "../contract/Field.ts"
import { ApplyingHealth, healthNow, StoringHealth } from "./Health.ts"
import { problem } from "../contract/Problem.ts"
import { optional, route } from "../route/Route.ts"

const aliveRoute = route({
  method: "GET",
  path: "/livez",
  name: "isAlive",
  group: "Service",
  summary: "Whether the process is alive",
  stores: false,
  scope: "public",
  parameters: {},
  // Some probes add a parameter of their own, to avoid caches.
  otherQuery: "ignored",
  answers: { 200: jsonAnswer("The process is alive.", Schema.Struct({ status: Schema.Literal("alive") })) },
  handle: () => Effect.succeed(reply(200, { status: "alive" }))
})

/** The answer of an edge that can store purchases. `status` is `ready` only if stored purchases are applied. */
export const ReadyState = Schema.Struct({
  status: Schema.Literals(["ready", "storing-only"]),
  storing: StoringHealth,
  applying: ApplyingHealth
}).annotate({ identifier: "ReadyState" })

// A load balancer takes out an edge that answers 503. If no worker is alive, every edge can still store purchases, and
// no stored purchase is applied. So the HTTP status of `/readyz` says only whether purchases can be stored. The body
// says whether stored purchases are applied.
const readyRoute = route({
  method: "GET",
  path: "/readyz",
  name: "isReady",
  group: "Service",
  summary: "Whether this edge can store purchases now, and whether stored purchases are applied",
  description:
    "The status is 200 while purchases can be stored. A load balancer thus keeps the edge while no worker is alive. The body says whether stored purchases are applied. With `?applying=required` the status is 503 if stored purchases are not applied.",
  stores: false,
  scope: "public",
  parameters: {},
  query: {
    applying: optional(
      wordField("applying", ["told", "required"]),
      "told",
      "`told`: only the body says whether stored purchases are applied. `required`: the status is 503 if stored purchases are not applied."
    )
  },
  answers: { 200: jsonAnswer("Purchases can be stored.", ReadyState) },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* ({ applying: wanted }, edge) {
    if (edge.isDraining()) return yield* Effect.fail(stopping)
    if (edge.access?.isReady() === false) return yield* Effect.fail(accessNotReady)
    const { storing, applying } = yield* healthNow
    if (!storing.ok || (wanted === "required" && !applying.ok)) {
      const detail = `${storing.detail} ${applying.detail}`
      return yield* Effect.fail(problem("unavailable", detail, { "retry-after": "1" }))
    }
    return reply(200, { status: applying.ok ? "ready" : "storing-only", storing, applying })
  })
})

export const probeRoutes = [aliveRoute, readyRoute]
