import { Effect, Schema } from "effect"
import { messagePurchasesMax } from "../../protocol/PurchaseMessage.ts"
import { isOfReversal } from "../../protocol/Rejection.ts"
import { replayedPurchaseId, replayStates } from "../../protocol/Replay.ts"
import {
  type RejectedKey,
  RejectedRecords,
  type StoredRejection,
  type StoredReplay
} from "../../nats/RejectedRecords.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"
import { wholeNumberField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { callerOf } from "../access/Caller.ts"
import { onePurchase, purchaseIn } from "../posting/PurchaseBody.ts"
import { type AlreadyReplayed, replayRejected } from "./replayRejected.ts"
import { receiptReference, referenceTo } from "../contract/Reference.ts"
import { Count, Instant, instant, purchaseBody, PurchaseContent } from "../contract/AnswerBodies.ts"
import { optional, route } from "../route/Route.ts"

/** The most rejected records on a page. */
export const rejectedLimitMax = 100
const limitDefault = 20
/**
 * The most characters of a record's payload on a page. The route of a single rejected record shows the whole payload.
 */
export const payloadShownMax = 1_000
/** The most records of a page that are looked up at once in the journal. */
const readsAtOnceMax = 10
const sequenceMax = 999_999_999_999_999

const placeParameters = {
  inputSequence: wholeNumberField("inputSequence", "malformed-request", 1, sequenceMax),
  index: wholeNumberField("index", "malformed-request", 0, messagePurchasesMax - 1)
}

const MessageIndex = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: messagePurchasesMax - 1 }))

const recordMembers = {
  inputSequence: Count.annotateKey({
    description: "The sequence of the message of the input log that brought the purchase or reversal."
  }),
  index: MessageIndex.annotateKey({ description: "The index of the purchase or reversal in that message, from 0." }),
  reason: Schema.String,
  rejectedAt: Instant,
  encoding: Schema.Literals(["text", "base64"]).annotateKey({
    description: "The form of `payload`: text, or the base64 of bytes."
  }),
  payloadLength: Count,
  payload: Schema.String,
  replay: Schema.Literals(["none", ...replayStates]).annotateKey({
    description:
      "The state of the record's replay; `none` if the record was not replayed. `begun`: the corrected purchase is decided. `stored`: the corrected purchase is in the input log. `applied`: the corrected purchase is applied. `conflicting`: the id of the corrected purchase belongs to another purchase."
  })
}

export const RejectedListed = Schema.Struct(recordMembers).annotate({
  identifier: "RejectedListed",
  description: `A rejected record, with up to ${payloadShownMax} characters of its payload.`
})

export const RejectedRecord = Schema.Struct({
  ...recordMembers,
  trail: Schema.Array(
    Schema.Struct({
      state: Schema.Literals(replayStates),
      at: Instant,
      inputSequence: Schema.optionalKey(Count),
      by: Schema.optionalKey(Schema.String).annotateKey({
        description:
          "The id of the token, or the subject of the JWT, of the caller of this step; missing if the service asks for no token."
      }),
      purchase: PurchaseContent,
      receipt: Schema.String.annotateKey({
        description: "The path of the purchase's receipt, which exists once the purchase is applied."
      })
    })
  ).annotateKey({ description: "The steps of the replay, oldest first." })
}).annotate({ identifier: "RejectedRecord" })

const recordBody = (record: StoredRejection, step: StoredReplay | undefined) => ({
  inputSequence: record.inputSequence,
  index: record.index,
  reason: record.reason,
  rejectedAt: instant(record.rejectedAt),
  encoding: record.encoding,
  payloadLength: record.payload.length,
  payload: record.payload,
  replay: step?.state ?? ("none" as const)
})

const listedBody = (record: StoredRejection, step: StoredReplay | undefined): typeof RejectedListed.Type => ({
  ...recordBody(record, step),
  payload: record.payload.slice(0, payloadShownMax)
})

const wholeBody = (
  edge: EdgeRuntime,
  record: StoredRejection,
  trail: ReadonlyArray<StoredReplay>
): typeof RejectedRecord.Type => ({
  ...recordBody(record, trail.at(-1)),
  trail: trail.map(({ state, at, inputSequence, purchase, by }) => ({
    state,
    at: instant(at),
    ...(inputSequence === undefined ? {} : { inputSequence }),
    ...(by === undefined ? {} : { by }),
    purchase: purchaseBody(purchase.userId, purchase),
    receipt: receiptReference(edge, purchase.userId, purchase.purchaseId)
  }))
})

/** Reads a rejected record. Fails with the problem `not-found` if the journal has no such record. */
const found = Effect.fnUntraced(function* (key: RejectedKey) {
  const records = yield* RejectedRecords
  const record = yield* records.find(key)
  if (record !== undefined) return record
  const detail = `Message ${key.inputSequence} has no rejected record at index ${key.index}. GET /rejected lists the rejected records.`
  return yield* Effect.fail(problem("not-found", detail))
})

const notReplayable = problem(
  "not-replayable",
  "This record is of a reversal, and a reversal is not replayed. Post the reversal again: POST /users/{id}/purchases/{purchaseId}/reversals."
)

const alreadyReplayed = ({ userId, purchaseId }: AlreadyReplayed) =>
  problem(
    "already-replayed",
    `This record is replayed as purchase ${purchaseId} of user ${userId} with another content, and a record counts once. Send the same content again to finish that replay, or post a new purchase.`
  )

const listRoute = route({
  method: "GET",
  path: "/rejected",
  name: "listRejected",
  group: "Rejected",
  summary: "The rejected records, newest first, in pages",
  stores: false,
  scope: "rejected:read",
  parameters: {},
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, rejectedLimitMax),
      limitDefault,
      "The most records on the page. A page with long payloads has fewer records."
    ),
    cursor: optional(
      wholeNumberField("cursor", "malformed-request", 1, sequenceMax),
      undefined,
      "The cursor at which the page begins, from the page before. Without a cursor the answer is the newest page."
    )
  },
  answers: {
    200: jsonAnswer(
      "A page.",
      Schema.Struct({
        rejected: Schema.Array(RejectedListed),
        next: Schema.optionalKey(
          Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
        )
      }).annotate({ identifier: "RejectedPage" }),
      ["link"]
    )
  },
  problems: ["unavailable", "outcome-unknown"],
  cost: ({ limit }) => 1 + limit,
  handle: Effect.fnUntraced(function* ({ limit, cursor }, edge) {
    const records = yield* RejectedRecords
    const page = yield* records.page(limit, cursor)
    const rejected = yield* Effect.forEach(
      page.records,
      (record) => Effect.map(records.replay(record), (step) => listedBody(record, step)),
      { concurrency: readsAtOnceMax }
    )
    if (page.next === undefined) return reply(200, { rejected })
    const next = referenceTo(edge, `/rejected?limit=${limit}&cursor=${page.next}`)
    return reply(200, { rejected, next }, { link: `<${next}>; rel="next"` })
  })
})

const readRoute = route({
  method: "GET",
  path: "/rejected/{inputSequence}/{index}",
  name: "readRejected",
  group: "Rejected",
  summary: "One rejected record, with the steps of its replay",
  stores: false,
  scope: "rejected:read",
  parameters: placeParameters,
  answers: { 200: jsonAnswer("The record.", RejectedRecord) },
  problems: ["not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* (key, edge) {
    const record = yield* found(key)
    const records = yield* RejectedRecords
    return reply(200, wholeBody(edge, record, yield* records.trail(key)))
  })
})

const replayRoute = route({
  method: "POST",
  path: "/rejected/{inputSequence}/{index}/replay",
  name: "replayRejected",
  group: "Rejected",
  summary: "Send a corrected purchase, once for each record",
  description:
    "The body is the corrected purchase. Without `purchaseId` the edge makes the id of the purchase from the record. The first replay of a record decides the content of the corrected purchase. The same replay again finishes a replay that stopped halfway, and the purchase counts once. A replay with another content is refused, unless the id of the first replay belongs to another purchase. The record of a refused reversal cannot be replayed.",
  stores: true,
  scope: "rejected:replay",
  parameters: placeParameters,
  bodies: [onePurchase],
  answers: {
    200: jsonAnswer("The purchase is applied.", RejectedRecord, ["location", "idempotent-replayed"]),
    202: jsonAnswer(
      "The purchase is on the broker's disk, and will be applied. The same replay again says whether the purchase is applied.",
      RejectedRecord,
      ["location"]
    )
  },
  problems: [
    "not-found",
    "already-replayed",
    "not-replayable",
    "refused-by-rules",
    "conflicting-purchase",
    "unavailable",
    "outcome-unknown"
  ],
  handle: Effect.fnUntraced(function* ({ body, ...key }, edge, http) {
    const record = yield* found(key)
    if (isOfReversal(record)) return yield* Effect.fail(notReplayable)
    const newId = () => replayedPurchaseId(key.inputSequence, key.index)
    const purchase = yield* purchaseIn(edge, body, undefined, newId)
    const { step, wasFinished } = yield* Effect.catchTag(
      replayRejected(key, purchase, callerOf(edge, http).id),
      "AlreadyReplayed",
      (other) => Effect.fail(alreadyReplayed(other))
    )
    const location = receiptReference(edge, purchase.userId, purchase.purchaseId)
    if (step.state === "conflicting") {
      const detail = `The purchaseId ${purchase.purchaseId} of user ${purchase.userId} was used before for another purchase, so nothing was applied. Replay it with another purchaseId.`
      return yield* Effect.fail(problem("conflicting-purchase", detail, { location }))
    }
    const records = yield* RejectedRecords
    const answer = wholeBody(edge, record, yield* records.trail(key))
    return step.state === "applied"
      ? reply(200, answer, { location, ...(wasFinished ? { "idempotent-replayed": "true" } : {}) })
      : reply(202, answer, { location })
  })
})

export const rejectedRoutes = [listRoute, readRoute, replayRoute]
