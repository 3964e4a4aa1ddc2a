import { Effect } from "effect"
import { encodeToken } from "../../protocol/Subject.ts"
import { Feed } from "../../feed/Feed.ts"
import { textAnswer } from "../contract/AnswerSpec.ts"
import { askedUserIdField } from "../contract/Field.ts"
import { route } from "../route/Route.ts"
import { eventStreamMediaType } from "./EventStream.ts"
import { resuming, sendFeed } from "./FeedAnswer.ts"

const resumed = resuming(
  "Every feed of purchases takes the ids of every other. 0 is the beginning of the ledger. Without an id the feed begins with the next commits."
)

const events = textAnswer(
  eventStreamMediaType,
  `Events without an end. An event without a name tells what one commit did to an account. Its \`id\` is the place to go on after; take it as opaque text. Its \`data\` is JSON with \`userId\`, \`purchases\` (as in a history, oldest first), \`repeats\`, \`total\`, \`currency\`, \`purchaseCount\`, \`reversalCount\` and \`appliedAt\`. An event \`reversal\` tells the same of a commit that has a reversal or a repeat of one. Its \`data\` has \`reversals\` and \`reversalRepeats\` as well, and the numbers of entries say their order. An event \`reset\` says why the feed cannot go on after the last id, and its \`id\` is the place after which it goes on instead. An event \`end\` is the last, with a \`reason\`. Ask again with the last id, at this edge or another, and nothing is lost. A comment comes every 15 seconds.`
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
