import { Effect, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { encodeToken } from "../../protocol/Subject.ts"
import { Feed } from "../../feed/Feed.ts"
import { textAnswer } from "../contract/AnswerSpec.ts"
import { type EdgeRuntime, stopping } from "../runtime/EdgeRuntime.ts"
import { eventStreamHeaders, eventStreamMediaType, sendEvents } from "./EventStream.ts"
import { askedUserIdField } from "../contract/Field.ts"
import { singleHeader } from "../contract/HeaderLines.ts"
import { type HeaderParameter, type Parameter, route } from "../route/Route.ts"

/**
 * Reads the id of the last event that a client has. The id is not checked here: clients of feeds see no status, so a
 * `reset` event reports a wrong id.
 */
const placeParameter = (description: string): Parameter<string | undefined> => ({
  description,
  documented: Schema.String,
  read: (text) => text || undefined
})

const lastEventIdHeader: HeaderParameter<string | undefined> = {
  ...placeParameter(
    "The feed goes on after the event with this id. Every feed takes the ids of every other. 0 is the beginning of the ledger. Without an id the feed begins with the next purchases that are applied."
  ),
  textOf: (http) => singleHeader(http, "Last-Event-ID")
}

const lastEventIdQuery = placeParameter(
  "The same as the header Last-Event-ID, for a new EventSource, which can send no header. If both are given, the header counts: a browser that reconnects sends the old URL with a newer header."
)

/** The query and header parameters that both feeds have. */
const resuming = {
  query: { lastEventId: lastEventIdQuery },
  headers: { "last-event-id": lastEventIdHeader }
} as const

const events = textAnswer(
  eventStreamMediaType,
  `Events without an end. An event without a name tells what one commit did to an account. Its \`id\` is the place to go on after; take it as opaque text. Its \`data\` is JSON with \`userId\`, \`purchases\` (as in a history, oldest first), \`repeats\`, \`total\`, \`currency\`, \`purchaseCount\` and \`appliedAt\`. An event \`reset\` says why the feed cannot go on after the last id, and its \`id\` is the place after which it goes on instead. An event \`end\` is the last, with a \`reason\`. Ask again with the last id, at this edge or another, and nothing is lost. A comment comes every 15 seconds.`
)

const sendFeed = Effect.fnUntraced(function* (
  edge: EdgeRuntime,
  http: HttpContext,
  request: { readonly "last-event-id": string | undefined; readonly lastEventId: string | undefined },
  userToken?: string
) {
  const lastEventId = request["last-event-id"] ?? request.lastEventId
  if (edge.isDraining()) return yield* Effect.fail(stopping)
  if (http.req.method === "HEAD") return new Response(null, { headers: eventStreamHeaders })
  const feed = yield* Feed
  return yield* sendEvents(http, edge.eventBytes, (ready) =>
    feed.open({
      ready,
      ...(userToken === undefined ? {} : { userToken }),
      ...(lastEventId === undefined ? {} : { lastEventId })
    })
  )
})

const userFeedRoute = route({
  method: "GET",
  path: "/users/{id}/feed",
  name: "readUserFeed",
  group: "Feeds",
  summary: "The purchases that are applied to a user's account, as server-sent events",
  stores: false,
  scope: "feed:read",
  parameters: { id: askedUserIdField },
  ...resuming,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: (request, edge, http) => sendFeed(edge, http, request, encodeToken(request.id))
})

const feedRoute = route({
  method: "GET",
  path: "/feed",
  name: "readFeed",
  group: "Feeds",
  summary: "The purchases that are applied to all accounts, as server-sent events",
  stores: false,
  scope: "feed:read",
  parameters: {},
  ...resuming,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: (request, edge, http) => sendFeed(edge, http, request)
})

export const feedRoutes = [userFeedRoute, feedRoute]
