import { Effect, Exit, Schema } from "effect"
import { BrokerUnavailable } from "../domain/BrokerError.ts"
import { type Purchase, sameContent } from "../domain/Purchase.ts"
import type { Replay } from "../domain/Replay.ts"
import { type RejectedPlace, RejectedRecords } from "../nats/RejectedRecords.ts"
import { PurchasePublisher } from "./PurchasePublisher.ts"
import { outcomeWithin } from "./AccountReads.ts"

/** How long a replay waits until it is known how the purchase came out. */
const outcomeWaitMilliseconds = 5_000

const samePurchase = (one: Purchase, other: Purchase): boolean =>
  one.userId === other.userId && one.purchaseId === other.purchaseId && sameContent(one, other)

/** The record is replayed as this purchase already, and the new one has another content. A record counts once. */
export class AlreadyReplayed extends Schema.TaggedError<AlreadyReplayed>()("AlreadyReplayed", {
  userId: Schema.String,
  purchaseId: Schema.String
}) {
  override get message() {
    return `the record is replayed as purchase ${this.purchaseId} of user ${this.userId} with another content`
  }
}

/**
 * Writes the next step, and answers what is the newest then. Whoever wrote one meanwhile came first: theirs is the
 * answer. So of two replays with different contents one begins, and the other sees it.
 */
const step = Effect.fnUntraced(function* (place: RejectedPlace, replay: Replay, after: number) {
  const records = yield* RejectedRecords
  yield* records.step(place, replay, after).pipe(Effect.catchTag("CommitConflict", () => Effect.void))
  const newest = yield* records.replay(place)
  if (newest !== undefined) return newest
  // The other one is still on its way to the disk.
  return yield* new BrokerUnavailable({
    operation: "replay the record",
    reason: "another replay of this record begins now"
  })
})

/** Where the input log has the purchase; a replay that got so far before sends nothing more. */
const inputSequenceOf = Effect.fnUntraced(function* ({ purchase, inputSequence }: Replay) {
  if (inputSequence !== undefined) return inputSequence
  const publisher = yield* PurchasePublisher
  const [result] = yield* publisher.publish([purchase])
  return (yield* result ?? Exit.die("no result of a publish")).sequence
})

/**
 * Sends a purchase instead of a rejected one, once. First it is written down what will be sent, by compare-and-set, then
 * it is sent, and then it is written how it came out. Wherever that is broken off, the same replay again goes on from
 * there: the purchase is the same with the same id, so the account counts it once. Answers the newest step, and whether
 * all of it was done before.
 */
export const replayRejected = Effect.fnUntraced(function* (place: RejectedPlace, purchase: Purchase) {
  const records = yield* RejectedRecords
  const newest = yield* records.replay(place)
  // What conflicts is never applied, for the account has another purchase under its id: so another one may be tried.
  const mayBegin = newest === undefined || (newest.state === "conflicting" && !samePurchase(newest.purchase, purchase))
  const begun = mayBegin ? yield* step(place, { state: "begun", purchase }, newest?.sequence ?? 0) : newest
  if (!samePurchase(begun.purchase, purchase)) {
    const { userId, purchaseId } = begun.purchase
    return yield* new AlreadyReplayed({ userId, purchaseId })
  }
  if (begun.state === "applied" || begun.state === "conflicting") return { step: begun, wasFinished: true }

  const inputSequence = yield* inputSequenceOf(begun)
  // Without an answer in time it stays at `stored`. The same replay again asks for the outcome again.
  const entry = yield* outcomeWithin(purchase, inputSequence, outcomeWaitMilliseconds)
  const state = entry === undefined ? "stored" : sameContent(entry, purchase) ? "applied" : "conflicting"
  if (state === begun.state) return { step: begun, wasFinished: false }
  return { step: yield* step(place, { state, purchase, inputSequence }, begun.sequence), wasFinished: false }
})
