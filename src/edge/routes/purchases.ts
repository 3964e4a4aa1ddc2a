import { Effect, Exit } from "effect"
import type { Context as HttpContext, Hono } from "hono"
import { type Cents, decimalFromCents } from "../../domain/Money.ts"
import { type Purchase, sameContent } from "../../domain/Purchase.ts"
import type { LedgerEntry } from "../../domain/Query.ts"
import { limitBody } from "../BodyLimit.ts"
import { accepted, type Edge, json, NewId, respond, stopping } from "../Edge.ts"
import { instanceOf, type Problem, problem, problemResponse } from "../Problem.ts"
import { type Published, PurchasePublisher } from "../PurchasePublisher.ts"
import { readPurchase } from "../PurchaseRequest.ts"
import { outcomeWithin } from "../Reading.ts"
import { appliedBody, purchaseBody, receiptPath } from "../Representation.ts"

/** The largest body of one purchase, in bytes. */
export const purchaseBodyBytesMax = 16 * 1024
/** The longest that `Prefer: wait` may ask for, in seconds; more is taken as this. */
export const preferWaitMax = 30

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const bodyText = (http: HttpContext): Effect.Effect<string, Problem> =>
  Effect.tryPromise({
    try: async () => utf8.decode(await http.req.arrayBuffer()),
    catch: () => problem("malformed-request", "The body could not be read as UTF-8 text.")
  })

/** The seconds of `Prefer: wait=N` (RFC 7240); other and unreadable preferences are ignored, as the RFC says. */
const preferredWait = (http: HttpContext): number | undefined => {
  for (const preference of (http.req.header("prefer") ?? "").split(",")) {
    const match = /^\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?:;.*)?$/i.exec(preference)
    if (match !== null) return Math.min(Number(match[1]), preferWaitMax)
  }
  return undefined
}

/** The key of the draft standard is a quoted string; a bare one is common, and as clear. */
const idempotencyKey = (http: HttpContext): string | undefined => {
  const header = http.req.header("idempotency-key")
  return header?.replace(/^"(.*)"$/, "$1")
}

const stored = (purchase: Purchase, replayed: boolean): Response =>
  json(
    202,
    { ...purchaseBody(purchase.userId, purchase), status: "stored" },
    {
      location: receiptPath(purchase.userId, purchase.purchaseId),
      ...(replayed ? { "idempotent-replayed": "true" } : {})
    }
  )

const conflictOf = (purchase: Purchase, entry: LedgerEntry): Problem =>
  problem(
    "conflicting-purchase",
    `The purchaseId ${purchase.purchaseId} of user ${purchase.userId} was used before for ${entry.quantity} × ${entry.productName} at ${decimalFromCents(entry.valueCents)}. Nothing was applied; use a new id for a new purchase.`,
    { location: receiptPath(purchase.userId, purchase.purchaseId) }
  )

/** Whether what was published is what was applied, and no repeat of it. */
const isFirst = (published: Published, entry: LedgerEntry): boolean =>
  !published.duplicate && entry.inputSequence === published.sequence && entry.inputIndex === published.index

const applied = (purchase: Purchase, totalAfter: Cents, seconds: number, replayed = false): Response =>
  json(201, appliedBody(purchase.userId, { ...purchase, totalAfter }), {
    location: receiptPath(purchase.userId, purchase.purchaseId),
    "preference-applied": `wait=${seconds}`,
    ...(replayed ? { "idempotent-replayed": "true" } : {})
  })

const mediaType = (http: HttpContext): string =>
  (http.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? ""

export const purchaseRoutes = (app: Hono, edge: Edge): void => {
  app.post(
    "/purchases",
    async (http, next) => {
      if (mediaType(http) === "application/json") return next()
      return problemResponse(
        problem("unsupported-media-type", "Send one purchase as application/json."),
        instanceOf(http)
      )
    },
    limitBody(purchaseBodyBytesMax, `A purchase has at most ${purchaseBodyBytesMax} bytes.`),
    (http) =>
      respond(
        edge,
        http,
        Effect.gen(function* () {
          if (edge.isDraining()) return yield* Effect.fail(stopping)
          const newId = yield* NewId
          const purchase = yield* accepted(readPurchase(yield* bodyText(http), idempotencyKey(http), newId))
          const publisher = yield* PurchasePublisher
          const seconds = preferredWait(http)
          if (seconds === undefined || seconds === 0) {
            const [result] = yield* publisher.publish([purchase])
            const published = yield* result ?? Exit.die("no result of a publish")
            return stored(purchase, published.duplicate)
          }
          const outcome = yield* publisher.publishAwaited(purchase)
          if (outcome.kind === "applied") return applied(purchase, outcome.totalAfter, seconds)
          const { published } = outcome
          const found = yield* outcomeWithin(purchase, published.sequence, seconds * 1_000).pipe(
            // What is stored is stored: a wait in vain is no failure.
            Effect.catch((failure) => ("_tag" in failure ? Effect.succeed({ entry: undefined }) : Effect.fail(failure)))
          )
          if (found.entry === undefined) return stored(purchase, published.duplicate)
          if (!sameContent(found.entry, purchase))
            return problemResponse(conflictOf(purchase, found.entry), "/purchases")
          return applied(purchase, found.entry.totalAfter, seconds, !isFirst(published, found.entry))
        })
      )
  )
}
