import { Effect } from "effect"
import { exposition, expositionMediaType } from "../../metrics/Exposition.ts"
import { reply, textAnswer } from "../Answer.ts"
import { route } from "../Route.ts"

const readRoute = route({
  method: "GET",
  path: "/metrics",
  name: "readMetrics",
  group: "Service",
  summary: "The metrics of this edge, for Prometheus",
  parameters: {},
  answers: { 200: textAnswer("text/plain", `In the text format of Prometheus (${expositionMediaType}).`) },
  handle: () => Effect.map(exposition, (text) => reply(200, text))
})

export const metricsRoutes = [readRoute]
