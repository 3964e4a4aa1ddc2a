import { Effect, Schema } from "effect"
import { currency } from "../../account/Money.ts"
import {
  entriesScannedMax,
  type HistoryCursor,
  pageLimitMax,
  receiptReversalsMax,
  revisionsScannedMax
} from "../../protocol/Query.ts"
import { jsonAnswer } from "../contract/AnswerSpec.ts"
import { exactAmount } from "../../protocol/ExactJson.ts"
import { Amount } from "../contract/Amount.ts"
import { momentField, askedPurchaseIdField, askedUserIdField, wholeNumberField } from "../contract/Field.ts"
import { referenceTo } from "../contract/Reference.ts"
import {
  consistencyParameter,
  foreignCursor,
  readHistoryPage,
  readProblems,
  readWholeReceipt,
  readTotal,
  readTotalsBefore,
  searchHistory,
  unknownPurchase
} from "./AccountReads.ts"
import {
  Count,
  countsBody,
  Currency,
  emptyAccount,
  entryBody,
  HistoryEntry,
  Instant,
  instant,
  PurchaseReceipt,
  receiptBody
} from "../contract/AnswerBodies.ts"
import { filterOf, historyParameters, historyQuery, isFiltered, queryMark } from "./HistoryQuery.ts"
import { nextReversals } from "./NextReversals.ts"
import { encodeUserCursor, userCursorField, userMark } from "../contract/UserCursor.ts"
import { optional, route } from "../route/Route.ts"
import { knownTags, tagged, unchanged } from "../route/ETag.ts"

const limitDefault = 20
/**
 * The points that a filter adds to the cost of a page. A page with a filter may read more of the account than a page
 * without a filter.
 */
const filterCost = 5

const accountMembers = {
  userId: Schema.String,
  total: Amount,
  currency: Currency,
  purchaseCount: Count,
  reversalCount: Count,
  known: Schema.Boolean.annotateKey({ description: "Whether a purchase of this user was ever applied." })
}

interface ShownAccount {
  readonly total: bigint
  /** The number of entries: purchases and reversals together. */
  readonly count: number
  readonly reversals: number
}

/** Writes the members that describe an account. `revision` is 0 before the first purchase of the account. */
const accountBody = (userId: string, { total, ...counts }: ShownAccount, revision: number) => ({
  userId,
  total: exactAmount(total),
  currency,
  ...countsBody(counts),
  known: revision > 0
})

const totalRoute = route({
  method: "GET",
  path: "/users/{id}/total",
  name: "readTotal",
  group: "Users",
  summary: "The total of a user, exact and current, or at an earlier time",
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField },
  query: {
    at: optional(
      momentField("at"),
      undefined,
      "Asks for the total at this time, after the last purchase or reversal whose `storedAt` is at or before this time."
    ),
    consistency: consistencyParameter
  },
  headers: { "if-none-match": knownTags },
  answers: {
    200: jsonAnswer(
      "The total. For a user who was never seen, the total is 0.00 and `known` is `false`.",
      Schema.Struct({ ...accountMembers, at: Schema.optionalKey(Instant) }).annotate({ identifier: "Account" }),
      ["etag"]
    ),
    304: unchanged
  },
  problems: readProblems,
  cost: ({ at }) => (at === undefined ? 1 : 10),
  handle: Effect.fnUntraced(function* ({ id: userId, at, consistency, "if-none-match": known }) {
    if (at !== undefined) {
      // Times are whole milliseconds, so the totals just before `at + 1` include the purchases stored at `at`.
      const { revision, totals } = yield* readTotalsBefore(userId, [at + 1], consistency)
      return tagged(known, `${revision}.${at}`, () => ({
        ...accountBody(userId, totals[0] ?? emptyAccount, revision),
        at: instant(at)
      }))
    }
    const answer = yield* readTotal(userId, consistency)
    return tagged(known, String(answer.revision), () => accountBody(userId, answer, answer.revision))
  })
})

const historyRoute = route({
  method: "GET",
  path: "/users/{id}/purchases",
  name: "readHistory",
  group: "Users",
  summary: "The history of a user in pages, newest or oldest first, whole or filtered",
  description: `An entry is on a page only if the entry meets all filters. A filtered request looks at up to ${revisionsScannedMax} commits of the account, and stops after ${entriesScannedMax.toLocaleString("en-US")} entries. A filtered page may thus be short or empty and still have \`next\`. Only a page without \`next\` is the last page.`,
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField },
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, pageLimitMax),
      limitDefault,
      "The most entries on the page. A page whose entries have long texts has fewer entries."
    ),
    cursor: optional(
      userCursorField,
      undefined,
      "The cursor at which the page begins, from the page before with the same filters and order. Without a cursor the answer is the first page."
    ),
    ...historyQuery,
    consistency: consistencyParameter
  },
  headers: { "if-none-match": knownTags },
  answers: {
    200: jsonAnswer(
      "A page. `purchases` has the purchases and reversals of the page. Each entry is on one page, even if new entries come between two requests.",
      Schema.Struct({
        ...accountMembers,
        purchases: Schema.Array(HistoryEntry),
        next: Schema.optionalKey(
          Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
        )
      }).annotate({ identifier: "HistoryPage" }),
      ["etag", "link"]
    ),
    304: unchanged
  },
  problems: readProblems,
  cost: ({ limit, ...asked }) => 1 + Math.ceil(limit / 20) + (isFiltered(asked) ? filterCost : 0),
  handle: Effect.fnUntraced(function* (
    { id: userId, limit, cursor, consistency, "if-none-match": known, ...asked },
    edge
  ) {
    const user = userMark(userId)
    if (cursor !== undefined && cursor.user !== user) return yield* Effect.fail(foreignCursor)
    const begin = cursor === undefined ? {} : { place: { revision: cursor.sequence, taken: cursor.taken } }
    const filter = yield* filterOf(asked)
    const { order } = asked
    const chosen = historyParameters(order, filter)
    // A worker of an earlier version knows only pages without a filter.
    const page =
      chosen.size === 0
        ? yield* readHistoryPage({ userId, limit, ...begin }, consistency)
        : yield* searchHistory({ userId, limit, order, filter, ...begin }, consistency)
    const pathOf = ({ revision, taken }: HistoryCursor) => {
      const rest = new URLSearchParams({ limit: String(limit) })
      for (const [name, value] of chosen) rest.set(name, value)
      rest.set("cursor", encodeUserCursor({ sequence: revision, taken, user }))
      return `/users/${encodeURIComponent(userId)}/purchases?${rest}`
    }
    const next = page.next === undefined ? undefined : referenceTo(edge, pathOf(page.next))
    const mark = chosen.size === 0 ? "" : `.${queryMark(chosen)}`
    const tag = `${page.revision}.${cursor === undefined ? "" : encodeUserCursor(cursor)}.${limit}${mark}`
    const body = () => ({
      ...accountBody(userId, page, page.revision),
      purchases: page.entries.map((entry) => entryBody(userId, entry)),
      ...(next === undefined ? {} : { next })
    })
    return tagged(known, tag, body, next === undefined ? {} : { link: `<${next}>; rel="next"` })
  })
})

const receiptRoute = route({
  method: "GET",
  path: "/users/{id}/purchases/{purchaseId}",
  name: "readReceipt",
  group: "Users",
  summary: "The receipt of a purchase, with its reversals",
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField, purchaseId: askedPurchaseIdField },
  query: { consistency: consistencyParameter },
  headers: { "if-none-match": knownTags },
  answers: { 200: jsonAnswer("The purchase was applied.", PurchaseReceipt, ["etag"]), 304: unchanged },
  problems: ["not-found", ...readProblems],
  handle: Effect.fnUntraced(function* ({ id: userId, purchaseId, consistency, "if-none-match": known }, edge) {
    const { receipt: found, next } = yield* readWholeReceipt(userId, purchaseId, consistency)
    if (found === undefined) return yield* Effect.fail(unknownPurchase(userId, purchaseId))
    const tag = `${found.entry.ledgerSequence}.${found.repeats}.${found.conflicts}.${found.reversed}`
    const rest = nextReversals(edge, { userId, purchaseId }, receiptReversalsMax, next)
    return tagged(known, tag, () => receiptBody(userId, found, rest))
  })
})

export const userRoutes = [totalRoute, historyRoute, receiptRoute]
