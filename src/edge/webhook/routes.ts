import { Clock, Effect } from "effect"
import { SendTransport } from "../../nats/SendTransport.ts"
import { deadLettersMax, WebhookStore } from "../../nats/WebhookStore.ts"
import { encodeToken } from "../../protocol/Subject.ts"
import type { Webhook } from "../../protocol/Webhook.ts"
import type { SendRequest } from "../../protocol/WebhookSend.ts"
import { emptyAnswer, jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { instant } from "../contract/AnswerBodies.ts"
import { askedUserIdField, wholeNumberField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { NewId } from "../runtime/EdgeRuntime.ts"
import { optional, route } from "../route/Route.ts"
import { noWebhook, putWebhook, removeWebhook, rollWebhook } from "./storeWebhook.ts"
import {
  deadLetterBody,
  DeadLetterList,
  NewSecretBody,
  NewWebhookBody,
  secretText,
  sendOutcome,
  SendOutcome,
  WebhookBody,
  webhookBody
} from "./WebhookBodies.ts"
import { oneWebhook } from "./WebhookBody.ts"

const deadLimitDefault = 100
const sequenceMax = 999_999_999_999_999

const readFailed = (userId: string) => ({
  OutcomeUnknown: () =>
    Effect.fail(
      problem(
        "outcome-unknown",
        `The broker did not answer the question about the webhook of user ${userId}. Try again.`
      )
    )
})

/** Returns the webhook of a user as callers see it, with the state of its deliveries. */
const shown = Effect.fnUntraced(function* (userId: string, webhook: Webhook) {
  const { state } = yield* (yield* WebhookStore).state(encodeToken(userId))
  return webhookBody(userId, webhook, state, yield* Clock.currentTimeMillis)
})

/** Returns the webhook of a user. Fails with `not-found` if the user has no webhook. */
const found = Effect.fnUntraced(function* (userId: string) {
  const { webhook } = yield* (yield* WebhookStore).find(encodeToken(userId))
  return webhook === undefined ? yield* Effect.fail(noWebhook(userId)) : webhook
})

/** Asks the judge that delivers to the webhook for one delivery, and returns how the delivery ended. */
const sent = Effect.fnUntraced(function* (userId: string, request: SendRequest) {
  const answer = yield* Effect.catchTag(
    (yield* SendTransport).ask(encodeToken(userId), request),
    "OutcomeUnknown",
    () => Effect.fail(problem("outcome-unknown", "No judge said in time whether the delivery succeeded. Try again."))
  )
  switch (answer.kind) {
    case "attempted":
      return sendOutcome(answer)
    case "gone":
      return yield* Effect.fail(problem("not-found", "The alert of this dead letter is not kept any more."))
    case "missing":
      return yield* Effect.fail(noWebhook(userId))
    default:
      return yield* Effect.fail(
        problem("unavailable", "Too many deliveries to this webhook wait. Nothing was sent; try again.", {
          "retry-after": "15"
        })
      )
  }
})

const putRoute = route({
  method: "PUT",
  path: "/users/{id}/webhook",
  name: "putWebhook",
  group: "Webhooks",
  summary: "Set the webhook of a user",
  description:
    "Alerts that are stored after the first PUT are delivered to the URL, in the order of the alerts. Each PUT ends a pause, and the wait for the next attempt.",
  scope: "webhooks:write",
  stores: true,
  parameters: { id: askedUserIdField },
  bodies: [oneWebhook],
  answers: {
    200: jsonAnswer("The webhook that the user had is changed.", WebhookBody),
    201: jsonAnswer("The webhook is new. Only this answer shows the secret of the webhook.", NewWebhookBody)
  },
  problems: ["refused-by-rules", "webhooks-full", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId, body }) {
    const { webhook, isNew } = yield* putWebhook(userId, body)
    const answer = yield* Effect.catchTags(shown(userId, webhook), readFailed(userId))
    return isNew ? reply(201, { ...answer, secret: secretText(webhook) }) : reply(200, answer)
  })
})

const readRoute = route({
  method: "GET",
  path: "/users/{id}/webhook",
  name: "readWebhook",
  group: "Webhooks",
  summary: "The webhook of a user, with the state of its deliveries",
  scope: "webhooks:read",
  stores: false,
  parameters: { id: askedUserIdField },
  answers: { 200: jsonAnswer("The webhook, without its secret.", WebhookBody) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId }) {
    const read = Effect.flatMap(found(userId), (webhook) => shown(userId, webhook))
    return reply(200, yield* Effect.catchTags(read, readFailed(userId)))
  })
})

const removeRoute = route({
  method: "DELETE",
  path: "/users/{id}/webhook",
  name: "removeWebhook",
  group: "Webhooks",
  summary: "Remove the webhook of a user, with its secrets and dead letters",
  scope: "webhooks:write",
  stores: true,
  parameters: { id: askedUserIdField },
  answers: { 204: emptyAnswer("The webhook is removed.") },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId }) {
    yield* removeWebhook(userId)
    return reply(204, undefined)
  })
})

const rollRoute = route({
  method: "POST",
  path: "/users/{id}/webhook/secret",
  name: "rollWebhookSecret",
  group: "Webhooks",
  summary: "Give the webhook of a user a new secret",
  description: "For 24 hours each delivery is signed with the previous secret and with the new secret.",
  scope: "webhooks:write",
  stores: true,
  parameters: { id: askedUserIdField },
  answers: { 200: jsonAnswer("The new secret, which only this answer shows.", NewSecretBody) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId }) {
    const webhook = yield* rollWebhook(userId)
    return reply(200, { secret: secretText(webhook), oldSecretUntil: instant(webhook.previous[0]?.until ?? 0) })
  })
})

const deadRoute = route({
  method: "GET",
  path: "/users/{id}/webhook/dead",
  name: "readDeadLetters",
  group: "Webhooks",
  summary: "The alerts that the webhook of a user refused, newest first",
  scope: "webhooks:read",
  stores: false,
  parameters: { id: askedUserIdField },
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, deadLettersMax),
      deadLimitDefault,
      "The most dead letters in the answer."
    )
  },
  answers: {
    200: jsonAnswer(
      `The newest dead letters. At most ${deadLettersMax} dead letters of a webhook are kept.`,
      DeadLetterList
    )
  },
  problems: ["unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId, limit }) {
    const letters = yield* Effect.catchTags((yield* WebhookStore).deadLetters(encodeToken(userId)), readFailed(userId))
    return reply(200, { userId, dead: letters.toReversed().slice(0, limit).map(deadLetterBody) })
  })
})

const againRoute = route({
  method: "POST",
  path: "/users/{id}/webhook/dead/{letter}/again",
  name: "sendDeadLetterAgain",
  group: "Webhooks",
  summary: "Deliver a dead letter once more, at once",
  description: "The delivery has the same id as before. After a success, the delivery is no dead letter any more.",
  scope: "webhooks:write",
  stores: true,
  parameters: { id: askedUserIdField, letter: wholeNumberField("letter", "malformed-request", 1, sequenceMax) },
  answers: { 200: jsonAnswer("The outcome of the delivery.", SendOutcome) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId, letter }) {
    const store = yield* WebhookStore
    const letters = yield* Effect.catchTags(store.deadLetters(encodeToken(userId)), readFailed(userId))
    if (!letters.some(({ id }) => id === letter)) {
      const detail = `User ${userId} has no dead letter ${letter}. GET /users/{id}/webhook/dead lists the dead letters.`
      return yield* Effect.fail(problem("not-found", detail))
    }
    return reply(200, yield* sent(userId, { kind: "again", id: letter }))
  })
})

const testRoute = route({
  method: "POST",
  path: "/users/{id}/webhook/test",
  name: "testWebhook",
  group: "Webhooks",
  summary: "Make one signed delivery without an alert, at once",
  description:
    "The `type` of the delivery is `webhook.test`. The delivery counts neither as a success nor as a failure.",
  scope: "webhooks:write",
  stores: true,
  parameters: { id: askedUserIdField },
  answers: { 200: jsonAnswer("The outcome of the delivery.", SendOutcome) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId }) {
    yield* Effect.catchTags(found(userId), readFailed(userId))
    const newId = yield* NewId
    return reply(200, yield* sent(userId, { kind: "test", id: `test-${newId()}` }))
  })
})

export const webhookRoutes = [putRoute, readRoute, removeRoute, rollRoute, deadRoute, againRoute, testRoute]
