import { Clock, Effect } from "effect"
import { WebhookStore } from "../../nats/WebhookStore.ts"
import { encodeToken } from "../../protocol/Subject.ts"
import type { Webhook } from "../../protocol/Webhook.ts"
import { endpointsMax } from "../../webhook/Deliverer.ts"
import { newSecret } from "../../webhook/Signature.ts"
import { TargetRules, urlProblem } from "../../webhook/Target.ts"
import { changeWebhook, newWebhook, rollSecret, type WantedWebhook } from "../../webhook/WebhookChange.ts"
import { problem } from "../contract/Problem.ts"

/** The most attempts to store one change of a webhook. An attempt fails if another change of the webhook came first. */
const triesMax = 5

const busy = problem(
  "unavailable",
  "Other requests change this webhook all the time. Nothing was changed; try again.",
  { "retry-after": "1" }
)

const unknown = problem(
  "outcome-unknown",
  "It is not known whether the webhook was changed. Read it before you send the request again."
)

/** Returns the problem for a user who has no webhook. */
export const noWebhook = (userId: string) =>
  problem("not-found", `User ${userId} has no webhook. PUT /users/{id}/webhook makes one.`)

/** A webhook as it is stored after a change. */
export interface Changed {
  readonly webhook: Webhook
  /** Whether the user had no webhook before. */
  readonly isNew: boolean
}

/**
 * Tries a change of a webhook again if another change came first. Turns the conflict of the last attempt, or an unknown
 * outcome, into a problem for the caller.
 */
const untilStored = <A, E, R>(change: Effect.Effect<A, E, R>) =>
  change.pipe(
    Effect.retry({ while: (failure) => isTagged(failure, "CommitConflict"), times: triesMax - 1 }),
    Effect.mapError((failure) =>
      isTagged(failure, "CommitConflict")
        ? busy
        : isTagged(failure, "OutcomeUnknown")
          ? unknown
          : (failure as Exclude<E, { readonly _tag: "CommitConflict" | "OutcomeUnknown" }>)
    )
  )

const isTagged = (failure: unknown, tag: string): boolean =>
  typeof failure === "object" && failure !== null && "_tag" in failure && failure._tag === tag

const refuseUrl = Effect.fnUntraced(function* (url: string | undefined) {
  const wrong = url === undefined ? undefined : urlProblem(url, yield* TargetRules)
  if (wrong !== undefined) return yield* Effect.fail(problem("refused-by-rules", `url ${wrong}. Nothing was stored.`))
})

const firstWebhook = Effect.fnUntraced(function* (wanted: WantedWebhook) {
  const { url } = wanted
  if (url === undefined) {
    return yield* Effect.fail(problem("refused-by-rules", "url is missing. A new webhook needs a URL."))
  }
  const store = yield* WebhookStore
  if ((yield* store.count) >= endpointsMax) {
    return yield* Effect.fail(problem("webhooks-full", `All users together have at most ${endpointsMax} webhooks.`))
  }
  return newWebhook(url, wanted, newSecret(), yield* store.lastSequence, yield* Clock.currentTimeMillis)
})

/** Makes or changes the webhook of a user. Stores nothing if the URL of the webhook is refused. */
export const putWebhook = (userId: string, wanted: WantedWebhook) =>
  Effect.gen(function* () {
    const token = encodeToken(userId)
    yield* refuseUrl(wanted.url)
    const store = yield* WebhookStore
    const { webhook: before, sequence } = yield* store.find(token)
    const webhook =
      before === undefined
        ? yield* firstWebhook(wanted)
        : changeWebhook(before, wanted, yield* store.lastSequence, yield* Clock.currentTimeMillis)
    yield* store.write(token, webhook, sequence)
    return { webhook, isNew: before === undefined } satisfies Changed
  }).pipe(untilStored)

/** Gives the webhook of a user a new secret, and returns the webhook. */
export const rollWebhook = (userId: string) =>
  Effect.gen(function* () {
    const store = yield* WebhookStore
    const { webhook: before, sequence } = yield* store.find(encodeToken(userId))
    if (before === undefined) return yield* Effect.fail(noWebhook(userId))
    const webhook = rollSecret(before, newSecret(), yield* Clock.currentTimeMillis)
    yield* store.write(encodeToken(userId), webhook, sequence)
    return webhook
  }).pipe(untilStored)

/** Removes the webhook of a user. */
export const removeWebhook = (userId: string) =>
  Effect.gen(function* () {
    const store = yield* WebhookStore
    const { webhook, sequence } = yield* store.find(encodeToken(userId))
    if (webhook === undefined) return yield* Effect.fail(noWebhook(userId))
    yield* store.remove(encodeToken(userId), sequence)
  }).pipe(untilStored)
