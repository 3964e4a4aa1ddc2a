import { Effect } from "effect"
import { metricsResponse } from "../../metrics/Exposition.ts"
import { wantedFormat } from "../../metrics/MetricsFormat.ts"
import { metricsMediaTypes } from "../../metrics/MetricsText.ts"
import { mediaTypeIn, textAnswer } from "../contract/AnswerSpec.ts"
import { problem } from "../contract/Problem.ts"
import { route } from "../route/Route.ts"

const { prometheus, openmetrics } = metricsMediaTypes
const notAcceptable = problem("not-acceptable", `Metrics are ${prometheus} or ${openmetrics}.`)

const readRoute = route({
  method: "GET",
  path: "/metrics",
  name: "readMetrics",
  group: "Service",
  summary: "The metrics of this edge, for Prometheus",
  description: `The metrics are \`${prometheus}\` without the header \`Accept\`, or if the caller accepts both formats. A caller that prefers OpenMetrics gets \`${openmetrics}\`.`,
  stores: false,
  scope: "metrics:read",
  parameters: {},
  answers: {
    200: {
      ...textAnswer(mediaTypeIn(prometheus), "The metrics in the format that the caller asked for."),
      otherMediaTypes: [mediaTypeIn(openmetrics)]
    }
  },
  handle: (_request, _edge, http) => {
    const format = wantedFormat(http)
    return format === undefined ? Effect.fail(notAcceptable) : metricsResponse(format)
  }
})

export const metricsRoutes = [readRoute]
