import { Effect } from "effect"
import { encodeToken } from "../../protocol/Subject.ts"
import { Feed } from "../../feed/Feed.ts"
import { textAnswer } from "../contract/AnswerSpec.ts"
import { askedUserIdField } from "../contract/Field.ts"
import { route } from "../route/Route.ts"
import { eventStreamMediaType } from "./EventStream.ts"
import { resuming, sendFeed } from "./FeedAnswer.ts"

const resumed = resuming(
  "Every feed of purchases takes the ids of every other feed of purchases. The id `0` is the beginning of the ledger. Without an id the feed begins with the next commit."
)

const events = textAnswer(
  eventStreamMediaType,
  `Events without an end. An event without a name is the effect of one commit on one account. The \`id\` of an event is a place in the feed: take the \`id\` as opaque text. The \`data\` of an event is JSON with \`userId\`, \`purchases\`, \`repeats\`, \`total\`, \`currency\`, \`purchaseCount\`, \`reversalCount\` and \`appliedAt\`. The \`purchases\` are entries as on a page of a history, oldest first. An event \`reversal\` is the effect of a commit with a reversal, or with a repeat of a reversal. The \`data\` of an event \`reversal\` has \`reversals\` and \`reversalRepeats\` as well, and the \`number\` of each entry gives the order. An event \`reset\` says why the feed cannot go on after the last id. After a \`reset\` the feed goes on after the \`id\` of this event. An event \`end\` is the last event, with a \`reason\`. After an \`end\` ask any edge with the last id, and the feed goes on without a gap. A comment comes every 15 seconds.`
)

const userFeedRoute = route({
  method: "GET",
  path: "/users/{id}/feed",
  name: "readUserFeed",
  group: "Feeds",
  summary: "The purchases and reversals that are applied to a user's account, as server-sent events",
  stores: false,
  scope: "feed:read",
  parameters: { id: askedUserIdField },
  ...resumed,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* (request, edge, http) {
    const feed = yield* Feed
    const eventBytes = edge.purchaseEventBytes
    return yield* sendFeed({ edge, http, request, feed, eventBytes, userToken: encodeToken(request.id) })
  })
})

const feedRoute = route({
  method: "GET",
  path: "/feed",
  name: "readFeed",
  group: "Feeds",
  summary: "The purchases and reversals that are applied to all accounts, as server-sent events",
  stores: false,
  scope: "feed:read",
  parameters: {},
  ...resumed,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* (request, edge, http) {
    return yield* sendFeed({ edge, http, request, feed: yield* Feed, eventBytes: edge.purchaseEventBytes })
  })
})

export const feedRoutes = [userFeedRoute, feedRoute]
