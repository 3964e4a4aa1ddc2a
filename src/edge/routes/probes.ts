import { Effect, Schema } from "effect"
import { BrokerLink } from "../../nats/BrokerLink.ts"
import { InputLog } from "../../nats/InputLog.ts"
import { jsonAnswer, reply } from "../Answer.ts"
import { stopping } from "../Edge.ts"
import { problem } from "../Problem.ts"
import { route } from "../Route.ts"

/** How long the broker may take to answer a probe. */
const probeWaitMilliseconds = 1_000

const unready = (detail: string) => problem("unavailable", detail, { "retry-after": "1" })

const aliveRoute = route({
  method: "GET",
  path: "/livez",
  name: "isAlive",
  group: "Service",
  summary: "Whether the process is alive",
  parameters: {},
  // Some probes add a parameter of their own, to get past caches.
  otherQuery: "ignored",
  answers: { 200: jsonAnswer("It is.", Schema.Struct({ status: Schema.Literal("alive") })) },
  handle: () => Effect.succeed(reply(200, { status: "alive" }))
})

const readyRoute = route({
  method: "GET",
  path: "/readyz",
  name: "isReady",
  group: "Service",
  summary: "Whether purchases and reads can be sent here now",
  parameters: {},
  // Probes add parameters here, too.
  otherQuery: "ignored",
  answers: { 200: jsonAnswer("They can.", Schema.Struct({ status: Schema.Literal("ready") })) },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* (_request, edge) {
    if (edge.isDraining()) return yield* Effect.fail(stopping)
    const broker = yield* BrokerLink
    if (!broker.isConnected()) return yield* Effect.fail(unready("There is no connection to the broker."))
    const input = yield* InputLog
    yield* input.bounds.pipe(
      Effect.timeout(probeWaitMilliseconds),
      Effect.catch(() => Effect.fail(unready("The broker does not answer for the input log.")))
    )
    return reply(200, { status: "ready" })
  })
})

export const probeRoutes = [aliveRoute, readyRoute]
