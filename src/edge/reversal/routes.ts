import { Effect, Exit } from "effect"
import type { Reversal } from "../../account/Reversal.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { type LedgerEntry, receiptReversalsMax } from "../../protocol/Query.ts"
import {
  consistencyParameter,
  foreignReversalsCursor,
  readProblems,
  readReceipt,
  readReversalReceipt,
  readReversals,
  unknownPurchase
} from "../account/AccountReads.ts"
import { nextReversals } from "../account/NextReversals.ts"
import {
  appliedReversalBody,
  isReversalEntry,
  PostedReversal,
  reversalPageBody,
  ReversalPage,
  type ReversalEntry,
  ReversalReceipt,
  reversalReceiptBody,
  storedReversalBody
} from "../contract/AnswerBodies.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import {
  askedPurchaseIdField,
  askedReversalIdField,
  askedUserIdField,
  reversalIdField,
  wholeNumberField
} from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { reversalReference } from "../contract/Reference.ts"
import { idempotencyKeyFor } from "../posting/IdempotencyKey.ts"
import { preferredWait } from "../posting/PreferredWait.ts"
import { knownTags, tagged, unchanged } from "../route/ETag.ts"
import { encodeUserCursor, userCursorField, userMark } from "../contract/UserCursor.ts"
import { optional, route } from "../route/Route.ts"
import { type EdgeRuntime, NewId, orFail } from "../runtime/EdgeRuntime.ts"
import { oneReversal, reversalIn } from "./ReversalBody.ts"
import { appliedReversalWithin, refusalOf, sameReversalAs } from "./ReversalOutcome.ts"

/** The points of a reversal: it costs two reads and a post. */
const postCost = 3
const limitDefault = 20

const repeatHeaders = (isRepeat: boolean) => (isRepeat ? { "idempotent-replayed": "true" } : {})

const stored = (edge: EdgeRuntime, reversal: Reversal, purchase: LedgerEntry, isRepeat: boolean) =>
  reply(202, storedReversalBody(reversal, purchase), {
    location: reversalReference(edge, reversal.userId, reversal.reversalId),
    ...repeatHeaders(isRepeat)
  })

const applied = (edge: EdgeRuntime, reversal: Reversal, entry: ReversalEntry, seconds: number, isRepeat: boolean) =>
  reply(201, appliedReversalBody(reversal.userId, entry), {
    location: reversalReference(edge, reversal.userId, reversal.reversalId),
    "preference-applied": `wait=${seconds}`,
    ...repeatHeaders(isRepeat)
  })

/**
 * Reads the purchase of a reversal, and the entry that the account has under the id of the reversal. A caller may send
 * a reversal twice at once, so a copy of the reversal may have taken the pieces before the purchase is read. The entry
 * is read after the purchase, so that a copy of the reversal is found.
 */
const readBefore = Effect.fnUntraced(function* (edge: EdgeRuntime, reversal: Reversal) {
  const { userId, purchaseId, reversalId } = reversal
  const { receipt } = yield* readReceipt(userId, purchaseId, "strong")
  const known = (yield* readReversalReceipt(userId, reversalId, "strong")).receipt
  const earlier = known === undefined ? undefined : yield* orFail(sameReversalAs(edge, reversal, known.entry))
  const refused = earlier === undefined ? refusalOf(reversal, receipt) : undefined
  if (refused !== undefined) return yield* Effect.fail(refused)
  if (receipt === undefined) return yield* Effect.die("a reversed purchase is applied")
  return { purchase: receipt.entry, earlier }
})

const outcomeUnknown = problem(
  "outcome-unknown",
  "It is not known whether the reversal was stored. Send it again with the same reversalId; it counts once."
)

const storeReversal = Effect.fnUntraced(function* (reversal: Reversal) {
  const publisher = yield* PurchasePublisher
  const [result] = yield* publisher.publish([reversal])
  return yield* Effect.catchTag(result ?? Exit.die("no result of a publish"), "OutcomeUnknown", () =>
    Effect.fail(outcomeUnknown)
  )
})

const postRoute = route({
  method: "POST",
  path: "/users/{id}/purchases/{purchaseId}/reversals",
  name: "postReversal",
  group: "Purchases",
  summary: "Take back pieces of an applied purchase",
  description:
    "A reversal is an entry of its own in the account, and the purchase stays as it is. Without `quantity` a reversal takes back all pieces that are left. A reversal without `reversalId` and `Idempotency-Key` gets a new id. A reversal that comes again under the same id is answered as before, and counts once. If another reversal takes the pieces first, the worker refuses the stored reversal. A refused reversal becomes a rejected record.",
  stores: true,
  scope: "purchases:write",
  parameters: { id: askedUserIdField, purchaseId: askedPurchaseIdField },
  headers: { prefer: preferredWait, "idempotency-key": idempotencyKeyFor(reversalIdField) },
  bodies: [oneReversal],
  answers: {
    201: jsonAnswer("The reversal is applied, as `Prefer: wait` asked.", PostedReversal, [
      "location",
      "preference-applied",
      "idempotent-replayed"
    ]),
    202: jsonAnswer(
      "The reversal is on the broker's disk, and a worker will apply or refuse the reversal.",
      PostedReversal,
      ["location", "idempotent-replayed"]
    )
  },
  problems: [
    "not-found",
    "conflicting-reversal",
    "refused-by-rules",
    "more-than-left",
    "outcome-unknown",
    ...readProblems
  ],
  cost: () => postCost,
  handle: Effect.fnUntraced(function* (request, edge) {
    const { id: userId, purchaseId, body, prefer: seconds = 0, "idempotency-key": key } = request
    const reversal = yield* reversalIn(edge, body, { userId, purchaseId }, key, yield* NewId)
    const { purchase, earlier } = yield* readBefore(edge, reversal)
    if (earlier !== undefined) {
      return seconds > 0 ? applied(edge, reversal, earlier, seconds, true) : stored(edge, reversal, purchase, true)
    }
    const published = yield* storeReversal(reversal)
    if (seconds === 0) return stored(edge, reversal, purchase, false)
    const outcome = yield* Effect.flatMap(appliedReversalWithin(edge, reversal, published, seconds * 1_000), orFail)
    return outcome === undefined
      ? stored(edge, reversal, purchase, false)
      : applied(edge, reversal, outcome.entry, seconds, outcome.isRepeat)
  })
})

const receiptRoute = route({
  method: "GET",
  path: "/users/{id}/reversals/{reversalId}",
  name: "readReversal",
  group: "Users",
  summary: "The receipt of a reversal",
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField, reversalId: askedReversalIdField },
  query: { consistency: consistencyParameter },
  headers: { "if-none-match": knownTags },
  answers: { 200: jsonAnswer("The reversal was applied.", ReversalReceipt, ["etag"]), 304: unchanged },
  problems: ["not-found", ...readProblems],
  handle: Effect.fnUntraced(function* ({ id: userId, reversalId, consistency, "if-none-match": known }) {
    const { receipt } = yield* readReversalReceipt(userId, reversalId, consistency)
    if (receipt === undefined || !isReversalEntry(receipt.entry)) {
      const detail = `User ${userId} has no reversal ${reversalId}. GET /rejected lists the rejected records.`
      return yield* Effect.fail(problem("not-found", detail))
    }
    const { entry } = receipt
    const tag = `${entry.ledgerSequence}.${receipt.repeats}.${receipt.conflicts}`
    return tagged(known, tag, () => reversalReceiptBody(userId, entry, receipt))
  })
})

const listRoute = route({
  method: "GET",
  path: "/users/{id}/purchases/{purchaseId}/reversals",
  name: "readReversals",
  group: "Users",
  summary: "The reversals of a purchase in pages, newest first",
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField, purchaseId: askedPurchaseIdField },
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, receiptReversalsMax),
      limitDefault,
      "The most reversals on the page."
    ),
    cursor: optional(
      userCursorField,
      undefined,
      "The cursor at which the page begins, from the page before. Without a cursor the answer is the first page."
    ),
    consistency: consistencyParameter
  },
  headers: { "if-none-match": knownTags },
  answers: {
    200: jsonAnswer(
      "A page. Each reversal is on one page, even if new reversals come between two requests.",
      ReversalPage,
      ["etag", "link"]
    ),
    304: unchanged
  },
  problems: ["not-found", ...readProblems],
  cost: ({ limit }) => 1 + Math.ceil(limit / 20),
  handle: Effect.fnUntraced(function* (
    { id: userId, purchaseId, limit, cursor, consistency, "if-none-match": known },
    edge
  ) {
    if (cursor !== undefined && cursor.user !== userMark(userId)) return yield* Effect.fail(foreignReversalsCursor)
    const begin = cursor === undefined ? {} : { place: { revision: cursor.sequence, taken: cursor.taken } }
    const page = yield* readReversals({ userId, purchaseId, limit, ...begin }, consistency)
    const { receipt } = page
    if (receipt === undefined) return yield* Effect.fail(unknownPurchase(userId, purchaseId))
    const next = nextReversals(edge, { userId, purchaseId }, limit, page.next)
    const tag = `${receipt.entry.ledgerSequence}.${receipt.reversed}.${cursor === undefined ? "" : encodeUserCursor(cursor)}.${limit}`
    return tagged(
      known,
      tag,
      () => reversalPageBody(userId, receipt, next),
      next === undefined ? {} : { link: `<${next}>; rel="next"` }
    )
  })
})

export const reversalRoutes = [postRoute, receiptRoute, listRoute]
