import { Effect, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { encodeToken } from "../../domain/Subject.ts"
import { Feed } from "../../feed/Feed.ts"
import { textAnswer } from "../Answer.ts"
import { type Edge, stopping } from "../Edge.ts"
import { eventStreamHeaders, eventStreamMediaType, sendEvents } from "../EventStream.ts"
import { askedUserIdField } from "../Field.ts"
import { singleHeader } from "../HeaderLines.ts"
import { type HeaderParameter, route } from "../Route.ts"

const lastEventIdParameter: HeaderParameter<string | undefined> = {
  description:
    "Go on after this id of a feed; 0 is the beginning of the ledger. Without it the feed tells what is applied from now on.",
  documented: Schema.String,
  textOf: (http) => singleHeader(http, "Last-Event-ID"),
  // What is no place of the ledger is told by an event: clients of feeds cannot see a status.
  read: (text) => text || undefined
}

const events = textAnswer(
  eventStreamMediaType,
  `Events without an end. Each without a name is what one commit did to an account: \`id\` is its sequence in the ledger, \`data\` is JSON with \`userId\`, \`purchases\` (as in a history, oldest first), \`repeats\`, \`total\`, \`currency\`, \`purchaseCount\` and \`appliedAt\`. An event \`reset\` says that Last-Event-ID is no place to go on after, and where the feed goes on instead. An event \`end\` is the last, with a \`reason\`; ask again with the last id, here or elsewhere, and nothing is lost. A comment comes every 15 seconds.`
)

const sendFeed = Effect.fnUntraced(function* (
  edge: Edge,
  http: HttpContext,
  lastEventId: string | undefined,
  userToken?: string
) {
  if (edge.isDraining()) return yield* Effect.fail(stopping)
  if (http.req.method === "HEAD") return new Response(null, { headers: eventStreamHeaders })
  const feed = yield* Feed
  return yield* sendEvents(http, (ready) =>
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
  summary: "What is applied to a user's account, as server-sent events",
  parameters: { id: askedUserIdField },
  headers: { "last-event-id": lastEventIdParameter },
  answers: { 200: events },
  problems: ["unavailable"],
  handle: ({ id, "last-event-id": lastEventId }, edge, http) => sendFeed(edge, http, lastEventId, encodeToken(id))
})

const feedRoute = route({
  method: "GET",
  path: "/feed",
  name: "readFeed",
  group: "Feeds",
  summary: "What is applied to all accounts, as server-sent events",
  parameters: {},
  headers: { "last-event-id": lastEventIdParameter },
  answers: { 200: events },
  problems: ["unavailable"],
  handle: ({ "last-event-id": lastEventId }, edge, http) => sendFeed(edge, http, lastEventId)
})

export const feedRoutes = [userFeedRoute, feedRoute]
