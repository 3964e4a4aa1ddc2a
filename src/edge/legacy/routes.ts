import { createHash } from "node:crypto"
import { Duration, Effect, Exit, Random, Ref, Schema } from "effect"
import { currency } from "../../account/Money.ts"
import { type Purchase, purchaseTotal } from "../../account/Purchase.ts"
import { messagePurchasesMax } from "../../protocol/PurchaseMessage.ts"
import type { LedgerEntry } from "../../protocol/Query.ts"
import { sampleProducts, sampleProductTypes } from "./SamplePurchase.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { bulkGroupsMax } from "../runtime/BulkGroups.ts"
import { type EdgeRuntime, NewId, orFail } from "../runtime/EdgeRuntime.ts"
import { exactAmount } from "../../protocol/ExactJson.ts"
import { Amount } from "../contract/Amount.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import { partialProblemOf } from "../contract/FailureProblem.ts"
import {
  askedUserIdField,
  type Field,
  productTextField,
  purchaseIdField,
  quantityField,
  userIdField,
  valueField,
  wholeNumberField
} from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { checkedTotal } from "../contract/PurchaseRequest.ts"
import {
  consistencyParameter,
  outcomeWithin,
  readHistoryPage,
  readProblems,
  readTotal
} from "../account/AccountReads.ts"
import { Count, Currency, purchaseBody, PurchaseContent, Quantity } from "../contract/AnswerBodies.ts"
import { type Route, route } from "../route/Route.ts"

/** The most purchases of one request to `/generate` or `/duplicate`. */
export const bulkCountMax = 1_000_000
/**
 * The longest time for which a group of a bulk request keeps its turn while the ledger does not apply the group, in
 * milliseconds. Without a worker, an edge thus stores {@link bulkGroupsMax} groups in this time.
 */
export const groupAppliedWaitMilliseconds = 1_000
/** The wait before a group of purchases is sent again, after the edge had no room for the group. */
const overloadWait = Duration.millis(20)
const historyEntries = 20

const countField = wholeNumberField("count", "malformed-request", 1, bulkCountMax)
const BulkCount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: bulkCountMax }))

const choice = (from: ReadonlyArray<string>) =>
  Effect.map(Random.nextIntBetween(0, from.length, { halfOpen: true }), (index) => from[index] ?? "")

const randomPurchase = Effect.fnUntraced(function* (userId: Purchase["userId"]) {
  const newId = yield* NewId
  return {
    purchaseId: yield* Effect.orDie(orFail(purchaseIdField.read(newId()))),
    userId,
    productName: yield* choice(sampleProducts),
    productType: yield* choice(sampleProductTypes),
    valueCents: BigInt(yield* Random.nextIntBetween(1_000, 100_000)),
    quantity: yield* Random.nextIntBetween(1, 5)
  }
})

/**
 * Stores `count` purchases group by group, in bounded memory. A group takes its turn among the groups of all bulk
 * requests of the edge, and keeps the turn until the group is applied. So the edge stores no faster than the ledger
 * applies, and other callers do not wait behind a backlog. If the caller leaves, the storing of purchases ends between
 * two groups.
 */
const storeMany = Effect.fnUntraced(function* (
  { bulkGroups }: EdgeRuntime,
  operation: string,
  userId: string,
  count: number,
  make: Effect.Effect<Purchase>,
  options: { readonly storeEveryCopy: boolean }
) {
  const publisher = yield* PurchasePublisher
  const stored = yield* Ref.make(0)

  /** Stores a group of purchases. Returns the wait until the group is applied. */
  const storeGroup = Effect.fnUntraced(function* (size: number) {
    const purchases = yield* Effect.replicateEffect(make, size)
    const publishGroup = publisher.publish(purchases, options)
    let results = yield* publishGroup
    while (results.some((result) => failureOf(result)?._tag === "EdgeOverloaded")) {
      yield* Effect.sleep(overloadWait)
      results = yield* publishGroup
    }
    yield* Ref.update(stored, (before) => before + results.filter(Exit.isSuccess).length)
    const failed = results.find(Exit.isFailure)
    if (failed !== undefined) return yield* Effect.failCause(failed.cause)
    // All purchases of a group have one user, so the last purchase is stored last.
    const [purchase, last] = [purchases.at(-1), results.at(-1)]
    if (purchase === undefined || last === undefined) return yield* Effect.die("a group without purchases")
    const { sequence } = yield* last
    return Effect.asVoid(outcomeWithin(purchase, sequence, groupAppliedWaitMilliseconds))
  })

  const groups = Array.from({ length: Math.ceil(count / messagePurchasesMax) }, (_, index) =>
    Math.min(messagePurchasesMax, count - index * messagePurchasesMax)
  )
  const takeTurn = (size: number) => bulkGroups.withPermit(Effect.flatten(Effect.uninterruptible(storeGroup(size))))
  yield* Effect.forEach(groups, takeTurn, { concurrency: bulkGroupsMax, discard: true }).pipe(
    Effect.catch((failure) =>
      Effect.flatMap(Ref.get(stored), (before) => Effect.fail(partialProblemOf(failure, before)))
    ),
    Effect.onInterrupt(() =>
      Effect.flatMap(Ref.get(stored), (before) =>
        Effect.logWarning(`${operation}: the client left before all was stored`).pipe(
          Effect.annotateLogs({ userId, asked: count, stored: before })
        )
      )
    )
  )
})

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/** Returns a UUID of version 8 that is made from a hash of the content. Two equal contents get the same UUID. */
const contentId = (content: ReadonlyArray<string>): string => {
  const digest = createHash("sha256").update(JSON.stringify(content)).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  return digest.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

/** Returns a field that refuses a text as malformed if it is no JSON number, and reads a JSON number with `field`. */
const numberIn = <A>(field: Field<A>): Field<A> => ({
  ...field,
  read: (text) =>
    jsonNumber.test(text)
      ? field.read(text)
      : problem("malformed-request", `${field.name} ${text.slice(0, 40)} is not a number.`)
})

const storeProblems = ["refused-by-rules", "unavailable", "outcome-unknown"] as const

const generateRoute = (method: Route["method"], name: string) =>
  route({
    method,
    path: "/generate/{count}/{id}",
    name,
    group: "Compatible",
    summary: "Store a number of random purchases of a user",
    stores: true,
    scope: "generate",
    isLong: true,
    parameters: { count: countField, id: userIdField },
    answers: {
      200: jsonAnswer(
        "All purchases are stored.",
        Schema.Struct({ userId: Schema.String, purchasesGenerated: BulkCount, status: Schema.Literal("success") })
      )
    },
    problems: storeProblems,
    cost: ({ count }) => 1 + Math.ceil(count / 10),
    handle: Effect.fnUntraced(function* ({ count, id: userId }, edge) {
      yield* storeMany(edge, "generate", userId, count, randomPurchase(userId), { storeEveryCopy: false })
      return reply(200, { userId, purchasesGenerated: count, status: "success" })
    })
  })

const duplicateRoute = (method: Route["method"], name: string) =>
  route({
    method,
    path: "/duplicate/{count}/{id}",
    name,
    group: "Compatible",
    summary: "Store one purchase of a user many times under one purchaseId",
    stores: true,
    scope: "generate",
    isLong: true,
    parameters: { count: countField, id: userIdField },
    answers: {
      200: jsonAnswer(
        "All copies are stored, and the purchase counts once.",
        Schema.Struct({
          userId: Schema.String,
          purchaseId: Schema.String,
          duplicatesSent: BulkCount,
          status: Schema.Literal("success"),
          note: Schema.String
        })
      )
    },
    problems: storeProblems,
    cost: ({ count }) => 1 + Math.ceil(count / 10),
    handle: Effect.fnUntraced(function* ({ count, id: userId }, edge) {
      const newId = yield* NewId
      const purchase = {
        purchaseId: yield* orFail(purchaseIdField.read(newId())),
        userId,
        productName: "Laptop",
        productType: "Electronics",
        valueCents: 5_000n,
        quantity: 2
      }
      yield* storeMany(edge, "duplicate", userId, count, Effect.succeed(purchase), { storeEveryCopy: true })
      return reply(200, {
        userId,
        purchaseId: purchase.purchaseId,
        duplicatesSent: count,
        status: "success",
        note: "All of them carry one purchaseId, so the account counts one purchase."
      })
    })
  })

const totalRoute = route({
  method: "GET",
  path: "/total/{id}",
  name: "readTotalDebt",
  group: "Compatible",
  summary: "The total of a user",
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField },
  query: { consistency: consistencyParameter },
  answers: {
    200: jsonAnswer(
      "The total, 0.00 for a user without purchases.",
      Schema.Struct({ userId: Schema.String, totalDebt: Amount, currency: Currency })
    )
  },
  problems: readProblems,
  handle: Effect.fnUntraced(function* ({ id: userId, consistency }) {
    const answer = yield* readTotal(userId, consistency)
    return reply(200, { userId, totalDebt: exactAmount(answer.total), currency })
  })
})

/** A purchase, or a reversal: the content of its purchase with a negative total. */
const LegacyEntry = Schema.Struct({ ...PurchaseContent.fields, reversalId: Schema.optionalKey(Schema.String) })

const legacyEntryBody = (userId: string, entry: LedgerEntry): typeof LegacyEntry.Type => ({
  ...purchaseBody(userId, entry),
  ...(entry.reversal === undefined ? {} : { reversalId: entry.reversal.reversalId })
})

const historyRoute = route({
  method: "GET",
  path: "/history/{id}",
  name: "readNewest",
  group: "Compatible",
  summary: `The newest ${historyEntries} purchases and reversals of a user, oldest first, with the number of all purchases`,
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField },
  query: { consistency: consistencyParameter },
  answers: {
    200: jsonAnswer(
      "The purchases and reversals; an empty list for a user without purchases.",
      Schema.Struct({ userId: Schema.String, purchaseCount: Count, purchases: Schema.Array(LegacyEntry) })
    )
  },
  problems: readProblems,
  handle: Effect.fnUntraced(function* ({ id: userId, consistency }) {
    const page = yield* readHistoryPage({ userId, limit: historyEntries }, consistency)
    const purchases = page.entries.toReversed().map((entry) => legacyEntryBody(userId, entry))
    return reply(200, { userId, purchaseCount: page.count - page.reversals, purchases })
  })
})

const idempotentRoute = route({
  method: "GET",
  path: "/idempotent-test/{userId}/{product}/{value}/{qty}",
  name: "storeByContent",
  group: "Compatible",
  summary: "Store a purchase whose purchaseId is made from its content",
  stores: true,
  scope: "purchases:write",
  parameters: {
    userId: userIdField,
    product: productTextField("product"),
    value: numberIn(valueField),
    qty: numberIn(quantityField)
  },
  answers: {
    200: jsonAnswer(
      "The purchase is stored, and counts once.",
      Schema.Struct({
        userId: Schema.String,
        purchaseId: Schema.String,
        product: Schema.String,
        value: Amount,
        quantity: Quantity,
        total: Amount,
        note: Schema.String
      })
    )
  },
  problems: storeProblems,
  handle: Effect.fnUntraced(function* ({ userId, product: productName, value: valueCents, qty: quantity }) {
    const content = { userId, productName, productType: "General", valueCents, quantity }
    const id = contentId([userId, productName, valueCents.toString(), String(quantity)])
    const purchaseId = yield* orFail(purchaseIdField.read(id))
    const purchase = yield* orFail(checkedTotal({ ...content, purchaseId }))
    const publisher = yield* PurchasePublisher
    const [result] = yield* publisher.publish([purchase])
    if (result !== undefined) yield* result
    return reply(200, {
      userId,
      purchaseId,
      product: productName,
      value: exactAmount(valueCents),
      quantity,
      total: exactAmount(purchaseTotal(purchase)),
      note: "The purchaseId is made from the content, so the same purchase again counts once."
    })
  })
})

/**
 * The routes of an earlier system, which this service serves with the paths and fields of that system. Some routes
 * store by GET, because scripts of the earlier system use GET. Routes that store many purchases take GET and POST, so
 * that a service without GETs that store still has these routes.
 */
export const legacyRoutes = [
  generateRoute("GET", "generate"),
  generateRoute("POST", "generateByPost"),
  duplicateRoute("GET", "duplicate"),
  duplicateRoute("POST", "duplicateByPost"),
  totalRoute,
  historyRoute,
  idempotentRoute
]
