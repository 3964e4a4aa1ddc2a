import { createHash } from "node:crypto"
import { Effect, Exit, Option, Random, Ref } from "effect"
import type { Hono } from "hono"
import { currency } from "../../domain/Money.ts"
import { type Purchase, purchaseTotal } from "../../domain/Purchase.ts"
import { messagePurchasesMax } from "../../domain/PurchaseMessage.ts"
import { accepted, type Edge, json, NewId, respond, respondWhileAwaited } from "../Edge.ts"
import { exactAmount } from "../ExactJson.ts"
import { partialProblemOf } from "../FailureProblem.ts"
import { type Problem, problem } from "../Problem.ts"
import { PurchasePublisher } from "../PurchasePublisher.ts"
import {
  checkedProductText,
  checkedPurchaseId,
  checkedQuantity,
  checkedTotal,
  checkedUserId,
  checkedValue
} from "../PurchaseRequest.ts"
import { purchaseBody } from "../Representation.ts"
import { historyPage, total } from "../Reading.ts"

/** The most purchases of one `/generate` or `/duplicate`. */
export const bulkCountMax = 1_000_000
/** How many groups of one bulk request wait at the edge at once: its share of the edge's memory. */
const groupsAtOnceMax = 4
const overloadWaitMilliseconds = 20
const historyEntries = 20

const products = ["Laptop", "Phone", "Tablet", "Headphones", "Monitor", "Keyboard", "Desk", "Chair", "Lamp", "Backpack"]
const productTypes = ["Electronics", "Furniture", "Accessories", "Office", "Outdoor"]

const checkedCount = (text: string): number | Problem => {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0
  return count >= 1 && count <= bulkCountMax
    ? count
    : problem(
        "malformed-request",
        `count must be a whole number from 1 to ${bulkCountMax}, and is ${text.slice(0, 40)}.`
      )
}

const choice = (from: ReadonlyArray<string>) =>
  Effect.map(Random.nextIntBetween(0, from.length, { halfOpen: true }), (index) => from[index] ?? "")

const randomPurchase = Effect.fnUntraced(function* (userId: Purchase["userId"]) {
  const newId = yield* NewId
  return {
    purchaseId: yield* Effect.orDie(accepted(checkedPurchaseId(newId()))),
    userId,
    productName: yield* choice(products),
    productType: yield* choice(productTypes),
    valueCents: BigInt(yield* Random.nextIntBetween(1_000, 100_000)),
    quantity: yield* Random.nextIntBetween(1, 5)
  }
})

/** Stores `count` purchases group by group, in bounded memory; a caller who leaves ends it between two groups. */
const storeMany = Effect.fnUntraced(function* (
  what: string,
  userId: string,
  count: number,
  make: Effect.Effect<Purchase>,
  options: { readonly isDistinct: boolean }
) {
  const publisher = yield* PurchasePublisher
  const stored = yield* Ref.make(0)

  const storeGroup = Effect.fnUntraced(function* (size: number) {
    const purchases = yield* Effect.replicateEffect(make, size)
    const publishGroup = publisher.publish(purchases, options)
    let results = yield* publishGroup
    while (results.some((result) => Option.getOrUndefined(Exit.findErrorOption(result))?._tag === "EdgeOverloaded")) {
      yield* Effect.sleep(overloadWaitMilliseconds)
      results = yield* publishGroup
    }
    yield* Ref.update(stored, (before) => before + results.filter(Exit.isSuccess).length)
    const failed = results.find(Exit.isFailure)
    if (failed !== undefined) return yield* Effect.failCause(failed.cause)
  })

  const groups = Array.from({ length: Math.ceil(count / messagePurchasesMax) }, (_, index) =>
    Math.min(messagePurchasesMax, count - index * messagePurchasesMax)
  )
  yield* Effect.forEach(groups, (size) => Effect.uninterruptible(storeGroup(size)), {
    concurrency: groupsAtOnceMax,
    discard: true
  }).pipe(
    Effect.catch((failure) =>
      Effect.flatMap(Ref.get(stored), (before) => Effect.fail(partialProblemOf(failure, before)))
    ),
    Effect.onInterrupt(() =>
      Effect.flatMap(Ref.get(stored), (before) =>
        Effect.logWarning(`${what}: the client went away`).pipe(
          Effect.annotateLogs({ userId, asked: count, stored: before })
        )
      )
    )
  )
})

const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

/** A UUID that names the content (version 8: made by a hash of our own choice). */
const contentId = (content: ReadonlyArray<string>): string => {
  const digest = createHash("sha256").update(JSON.stringify(content)).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  return digest.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

const generatePath = "/generate/:count/:id"
const duplicatePath = "/duplicate/:count/:id"
const idempotentPath = "/idempotent-test/:userId/:product/:value/:qty"

/** The paths on which a GET stores something. */
export const writesByGet: ReadonlySet<string> = new Set([generatePath, duplicatePath, idempotentPath])

/** The routes of the system that this one re-implements, with its fields. Scripts use GET to write; so they stay. */
export const compatibleRoutes = (app: Hono, edge: Edge): void => {
  app.get(generatePath, (http) =>
    respondWhileAwaited(
      edge,
      http,
      Effect.gen(function* () {
        const count = yield* accepted(checkedCount(http.req.param("count")))
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        yield* storeMany("generate", userId, count, randomPurchase(userId), { isDistinct: false })
        return json(200, { userId, purchasesGenerated: count, status: "success" })
      })
    )
  )

  app.get(duplicatePath, (http) =>
    respondWhileAwaited(
      edge,
      http,
      Effect.gen(function* () {
        const count = yield* accepted(checkedCount(http.req.param("count")))
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const newId = yield* NewId
        const purchase = {
          purchaseId: yield* accepted(checkedPurchaseId(newId())),
          userId,
          productName: "Laptop",
          productType: "Electronics",
          valueCents: 5_000n,
          quantity: 2
        }
        yield* storeMany("duplicate", userId, count, Effect.succeed(purchase), { isDistinct: true })
        return json(200, {
          userId,
          purchaseId: purchase.purchaseId,
          duplicatesSent: count,
          status: "success",
          note: "All of them carry one purchaseId, so the account counts one purchase."
        })
      })
    )
  )

  app.get("/total/:id", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const answer = yield* total(http, userId)
        return json(200, { userId, totalDebt: exactAmount(answer.total), currency })
      })
    )
  )

  app.get("/history/:id", (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const userId = yield* accepted(checkedUserId(http.req.param("id")))
        const page = yield* historyPage(http, { userId, limit: historyEntries })
        const purchases = page.entries.toReversed().map((entry) => purchaseBody(userId, entry))
        return json(200, { userId, purchaseCount: page.count, purchases })
      })
    )
  )

  app.get(idempotentPath, (http) =>
    respond(
      edge,
      http,
      Effect.gen(function* () {
        const { product, value, qty } = http.req.param()
        const userId = yield* accepted(checkedUserId(http.req.param("userId")))
        const productName = yield* accepted(checkedProductText("product", product))
        for (const [name, text] of Object.entries({ value, qty })) {
          if (jsonNumber.test(text)) continue
          return yield* Effect.fail(problem("malformed-request", `${name} ${text.slice(0, 40)} is not a number.`))
        }
        const valueCents = yield* accepted(checkedValue(value))
        const quantity = yield* accepted(checkedQuantity(qty))
        const content = { userId, productName, productType: "General", valueCents, quantity }
        const id = contentId([userId, productName, valueCents.toString(), String(quantity)])
        const purchaseId = yield* accepted(checkedPurchaseId(id))
        const purchase = yield* accepted(checkedTotal({ ...content, purchaseId }))
        const publisher = yield* PurchasePublisher
        const [result] = yield* publisher.publish([purchase])
        if (result !== undefined) yield* result
        return json(200, {
          userId,
          purchaseId,
          product: productName,
          value: exactAmount(valueCents),
          quantity,
          total: exactAmount(purchaseTotal(purchase)),
          note: "The purchaseId is made from the content, so the same purchase again counts once."
        })
      })
    )
  )
}
