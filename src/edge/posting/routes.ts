import { Effect, Exit } from "effect"
import type { Cents } from "../../account/Money.ts"
import type { Purchase } from "../../account/Purchase.ts"
import { jsonAnswer, linesMediaType, reply, textAnswer } from "../contract/AnswerSpec.ts"
import { orFail, type EdgeRuntime, NewId } from "../runtime/EdgeRuntime.ts"
import { callerOf, foreignUser, mayUse } from "../access/Caller.ts"
import { purchaseIdField } from "../contract/Field.ts"
import { idempotencyKeyFor } from "./IdempotencyKey.ts"
import { manyPurchases, onePurchase, purchaseBodyBytesMax, purchaseIn } from "./PurchaseBody.ts"
import { preferredWait } from "./PreferredWait.ts"
import { appliedOf } from "./PurchaseOutcome.ts"
import type { Published } from "../../intake/PublishResult.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { outcomeWithin } from "../account/AccountReads.ts"
import { receiptReference } from "../contract/Reference.ts"
import { appliedBody, PostedPurchase, storedBody } from "../contract/AnswerBodies.ts"
import { route } from "../route/Route.ts"
import { storeLines } from "./storeLines.ts"

const idempotencyKey = idempotencyKeyFor(purchaseIdField)

const stored = (edge: EdgeRuntime, purchase: Purchase, isRepeat: boolean) =>
  reply(202, storedBody(purchase.userId, purchase), {
    location: receiptReference(edge, purchase.userId, purchase.purchaseId),
    ...(isRepeat ? { "idempotent-replayed": "true" } : {})
  })

const applied = (edge: EdgeRuntime, purchase: Purchase, totalAfter: Cents, seconds: number, isRepeat: boolean) =>
  reply(201, appliedBody(purchase.userId, { ...purchase, totalAfter }), {
    location: receiptReference(edge, purchase.userId, purchase.purchaseId),
    "preference-applied": `wait=${seconds}`,
    ...(isRepeat ? { "idempotent-replayed": "true" } : {})
  })

/** Asks the owner for the outcome of a stored purchase. The outcome is `stored` if no answer comes within `seconds`. */
const askOutcome = Effect.fnUntraced(function* (
  edge: EdgeRuntime,
  purchase: Purchase,
  published: Published,
  seconds: number
) {
  const entry = yield* outcomeWithin(purchase, published.sequence, seconds * 1_000)
  if (entry === undefined) return { kind: "stored", isRepeat: published.duplicate } as const
  const { isRepeat } = yield* orFail(appliedOf(edge, purchase, published, entry))
  return { kind: isRepeat ? "repeat" : "applied", totalAfter: entry.totalAfter } as const
})

/** Stores a purchase, and answers when the purchase is applied or `seconds` are over. */
const storeAndWait = Effect.fnUntraced(function* (edge: EdgeRuntime, purchase: Purchase, seconds: number) {
  const publisher = yield* PurchasePublisher
  const outcome = yield* publisher.publishAndWait(purchase, (published) =>
    askOutcome(edge, purchase, published, seconds)
  )
  return outcome.kind === "stored"
    ? stored(edge, purchase, outcome.isRepeat)
    : applied(edge, purchase, outcome.totalAfter, seconds, outcome.kind === "repeat")
})

const postRoute = route({
  method: "POST",
  path: "/purchases",
  name: "postPurchase",
  group: "Purchases",
  summary: "Store a purchase, to be applied exactly once",
  description:
    "A purchase without `purchaseId` and `Idempotency-Key` gets a new id. A purchase that comes again under the same id is answered as before, and counts once.",
  stores: true,
  scope: "purchases:write",
  checksUsers: true,
  parameters: {},
  headers: { prefer: preferredWait, "idempotency-key": idempotencyKey },
  bodies: [onePurchase, manyPurchases],
  answers: {
    200: textAnswer(
      linesMediaType,
      "The answer has one line for each line of the body that is not blank, in the same order. A line of the answer comes as soon as its result is known. A last line with the status `ended` says why the answer ends before the body.",
      ["preference-applied"]
    ),
    201: jsonAnswer("The purchase is applied, as `Prefer: wait` asked.", PostedPurchase, [
      "location",
      "preference-applied",
      "idempotent-replayed"
    ]),
    202: jsonAnswer("The purchase is on the broker's disk, and will be applied.", PostedPurchase, [
      "location",
      "idempotent-replayed"
    ])
  },
  problems: ["refused-by-rules", "conflicting-purchase", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ body, prefer: seconds, "idempotency-key": key }, edge, http) {
    if (typeof body !== "string") {
      const { encoding } = body
      return yield* storeLines(edge, http, key, {
        encoding,
        caller: callerOf(edge, http),
        lineBytesMax: purchaseBodyBytesMax,
        waitSeconds: seconds ?? 0
      })
    }
    const purchase = yield* purchaseIn(edge, body, key, yield* NewId)
    if (!mayUse(callerOf(edge, http), purchase.userId)) return yield* Effect.fail(foreignUser(purchase.userId))
    if (seconds !== undefined && seconds > 0) return yield* storeAndWait(edge, purchase, seconds)
    const publisher = yield* PurchasePublisher
    const [result] = yield* publisher.publish([purchase])
    const published = yield* result ?? Exit.die("no result of a publish")
    return stored(edge, purchase, published.duplicate)
  })
})

export const purchaseRoutes = [postRoute]
