import { Duration, Effect, Schema } from "effect"
import { AlertFeed } from "../../alerts/AlertFeed.ts"
import { type AlertCursor, AlertPages, alertsLimitMax, NotJudged, throughWaitMax } from "../../alerts/AlertPages.ts"
import { encodeToken } from "../../protocol/Subject.ts"
import { AlertBody, alertBody } from "../contract/AlertBodies.ts"
import { Count } from "../contract/AnswerBodies.ts"
import { jsonAnswer, reply, textAnswer } from "../contract/AnswerSpec.ts"
import { askedUserIdField, wholeNumberField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { referenceTo } from "../contract/Reference.ts"
import { encodeUserCursor, userCursorField, userMark } from "../contract/UserCursor.ts"
import { eventStreamMediaType } from "../feed/EventStream.ts"
import { resuming, sendFeed } from "../feed/FeedAnswer.ts"
import { optional, route } from "../route/Route.ts"

const limitDefault = 20
const sequenceMax = 999_999_999_999_999
const waitSeconds = Duration.toSeconds(throughWaitMax)

const foreignCursor = problem(
  "malformed-request",
  "cursor does not belong to this user's alerts. Begin without a cursor."
)

const notJudged = ({ through, completeThrough }: NotJudged) =>
  problem(
    "not-current",
    `The alerts are complete up to the sequence ${completeThrough}, and not up to ${through} within ${waitSeconds} s. Ask again, or leave through out.`
  )

const alertsRoute = route({
  method: "GET",
  path: "/users/{id}/alerts",
  name: "readAlerts",
  group: "Alerts",
  summary: "The alerts of a user's rules, newest first, in pages",
  stores: false,
  scope: "alerts:read",
  cost: ({ limit }) => 1 + limit,
  parameters: { id: askedUserIdField },
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, alertsLimitMax),
      limitDefault,
      "The most alerts on the page. A page whose alerts lie far apart has fewer alerts."
    ),
    cursor: optional(
      userCursorField,
      undefined,
      "The cursor at which the page begins, from the page before. Without a cursor the answer is the newest page."
    ),
    through: optional(
      wholeNumberField("through", "malformed-request", 0, sequenceMax),
      undefined,
      `Waits up to ${waitSeconds} seconds until all purchases up to this sequence are judged. The \`ledgerSequence\` of a receipt is such a sequence.`
    )
  },
  answers: {
    200: jsonAnswer(
      "A page of alerts. Each alert is on one page, even if new alerts come between two requests.",
      Schema.Struct({
        alerts: Schema.Array(AlertBody),
        completeThrough: Count.annotateKey({
          description: "The alerts of all purchases whose `ledgerSequence` is at most this number are complete."
        }),
        next: Schema.optionalKey(
          Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
        )
      }).annotate({ identifier: "AlertPage" }),
      ["link"]
    )
  },
  problems: ["not-current", "unavailable"],
  handle: Effect.fnUntraced(function* ({ id: userId, limit, cursor, through }, edge) {
    const pages = yield* AlertPages
    const user = userMark(userId)
    if (cursor !== undefined && cursor.user !== user) return yield* Effect.fail(foreignCursor)
    // The positions of the judges are read before the page, so that the page has all alerts up to these positions.
    const completeThrough = yield* Effect.catchTag(pages.completeThrough(through), "NotJudged", (failure) =>
      Effect.fail(notJudged(failure))
    )
    const page = yield* pages.page(userId, limit, cursor)
    const alerts = page.alerts.map(({ alert, storedAt }) => alertBody(alert, storedAt))
    if (page.next === undefined) return reply(200, { alerts, completeThrough })
    const pathOf = (next: AlertCursor) =>
      `/users/${encodeURIComponent(userId)}/alerts?limit=${limit}&cursor=${encodeUserCursor({ ...next, user })}`
    const next = referenceTo(edge, pathOf(page.next))
    return reply(200, { alerts, completeThrough, next }, { link: `<${next}>; rel="next"` })
  })
})

const resumed = resuming(
  "Every feed of alerts takes the ids of every other feed of alerts. The id `0` is the beginning of the alerts that are kept. Without an id the feed begins with the next alert."
)

const events = textAnswer(
  eventStreamMediaType,
  "Events without an end. An event without a name has the alerts that one purchase gave one user. The `id` of an event is the place after which the feed continues; take the `id` as opaque text. The `data` of an event is JSON with `owner` and `alerts`, each alert as on a page. The events `reset` and `end`, and the comments, are the same as in the feeds of purchases."
)

const userFeedRoute = route({
  method: "GET",
  path: "/users/{id}/alerts/feed",
  name: "readUserAlertFeed",
  group: "Alerts",
  summary: "The alerts of a user's rules as they come, as server-sent events",
  stores: false,
  scope: "alerts:read",
  parameters: { id: askedUserIdField },
  ...resumed,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* (request, edge, http) {
    const feed = yield* AlertFeed
    const eventBytes = edge.alertEventBytes
    return yield* sendFeed({ edge, http, request, feed, eventBytes, userToken: encodeToken(request.id) })
  })
})

const feedRoute = route({
  method: "GET",
  path: "/alerts/feed",
  name: "readAlertFeed",
  group: "Alerts",
  summary: "The alerts of all users as they come, as server-sent events",
  stores: false,
  scope: "alerts:read",
  parameters: {},
  ...resumed,
  answers: { 200: events },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* (request, edge, http) {
    return yield* sendFeed({ edge, http, request, feed: yield* AlertFeed, eventBytes: edge.alertEventBytes })
  })
})

export const alertRoutes = [alertsRoute, userFeedRoute, feedRoute]
