import { Effect, Schema } from "effect"
import type { Context as HttpContext, Hono } from "hono"
import { currency } from "../../domain/Money.ts"
import { HistoryPlace, pageLimitMax } from "../../domain/Query.ts"
import { accepted, type Edge, json, respond } from "../Edge.ts"
import { exactAmount } from "../ExactJson.ts"
import { type Problem, problem } from "../Problem.ts"
import { checkedPurchaseId, checkedUserId } from "../PurchaseRequest.ts"
import { historyPage, receipt, total } from "../Reading.ts"
import { entryBody, receiptBody } from "../Representation.ts"

const limitDefault = 20

const checkedLimit = (text: string | undefined): number | Problem => {
  if (text === undefined) return limitDefault
  const limit = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0
  return limit >= 1 && limit <= pageLimitMax
    ? limit
    : problem(
        "malformed-request",
        `limit must be a whole number from 1 to ${pageLimitMax}, and is ${text.slice(0, 40)}.`
      )
}

const isPlace = Schema.is(HistoryPlace)

const encodeCursor = (place: HistoryPlace): string =>
  Buffer.from(`${place.revision}.${place.taken}`).toString("base64url")

const checkedCursor = (text: string): HistoryPlace | Problem => {
  const match = /^([0-9]{1,15})\.([0-9]{1,9})$/.exec(Buffer.from(text.slice(0, 64), "base64url").toString("latin1"))
  const place = { revision: Number(match?.[1]), taken: Number(match?.[2]) }
  return isPlace(place) && encodeCursor(place) === text
    ? place
    : problem("malformed-request", "cursor is not one that this service gave out.")
}

/** A strong answer with its revision as the ETag; 304 where the caller has it already. */
const tagged = (http: HttpContext, tag: string, body: () => object, headers: Record<string, string> = {}): Response => {
  const etag = `"${tag}"`
  const known = (http.req.header("if-none-match") ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""))
  // A cache may keep it, and has to ask each time whether it still holds.
  const cached = { etag, "cache-control": "private, no-cache", ...headers }
  return known.includes(etag) || known.includes("*")
    ? new Response(null, { status: 304, headers: cached })
    : json(200, body(), cached)
}

export const userRoutes = (app: Hono, edge: Edge): void => {
  app.get("/users/:id/total", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const answer = yield* total(http, userId)
        return tagged(http, String(answer.revision), () => ({
          userId,
          total: exactAmount(answer.total),
          currency,
          purchaseCount: answer.count
        }))
      })
    )
  )

  app.get("/users/:id/purchases", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const limit = yield* accepted(checkedLimit(http.req.query("limit")))
        const cursor = http.req.query("cursor")
        const place = cursor === undefined ? undefined : yield* accepted(checkedCursor(cursor))
        const page = yield* historyPage(http, { userId, limit, ...(place === undefined ? {} : { place }) })
        const next =
          page.next === undefined
            ? undefined
            : `/users/${encodeURIComponent(userId)}/purchases?limit=${limit}&cursor=${encodeCursor(page.next)}`
        const tag = `${page.revision}.${cursor ?? ""}.${limit}`
        const body = () => ({
          userId,
          total: exactAmount(page.total),
          currency,
          purchaseCount: page.count,
          purchases: page.entries.map((entry) => entryBody(userId, entry)),
          ...(next === undefined ? {} : { next })
        })
        return tagged(http, tag, body, next === undefined ? {} : { link: `<${next}>; rel="next"` })
      })
    )
  )

  app.get("/users/:id/purchases/:purchaseId", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const purchaseId = yield* accepted(checkedPurchaseId(http.req.param("purchaseId")))
        const answer = yield* receipt(http, userId, purchaseId)
        const found = answer.receipt
        if (found === undefined) {
          const detail = `User ${userId} has no purchase ${purchaseId}. A rejected one is in the records rejected.*.`
          return yield* Effect.fail(problem("not-found", detail))
        }
        const tag = `${found.entry.ledgerSequence}.${found.repeats}.${found.conflicts}`
        return tagged(http, tag, () => receiptBody(userId, found))
      })
    )
  )
}
