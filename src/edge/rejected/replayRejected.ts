import { Effect, Exit, Schema } from "effect"
import { BrokerUnavailable } from "../../protocol/BrokerError.ts"
import { type Purchase, sameContent } from "../../account/Purchase.ts"
import type { Replay } from "../../protocol/Replay.ts"
import { type RejectedKey, RejectedRecords } from "../../nats/RejectedRecords.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { outcomeWithin } from "../account/AccountReads.ts"

/** How long a replay waits for the outcome of its purchase, in milliseconds. */
const outcomeWaitMilliseconds = 5_000

const samePurchase = (one: Purchase, other: Purchase): boolean =>
  one.userId === other.userId && one.purchaseId === other.purchaseId && sameContent(one, other)

/**
 * The failure of a replay with another content than the replay before it. A rejected record is replayed as one purchase
 * only.
 */
export class AlreadyReplayed extends Schema.TaggedError<AlreadyReplayed>()("AlreadyReplayed", {
  userId: Schema.String,
  purchaseId: Schema.String
}) {
  override get message() {
    return `the record is replayed as purchase ${this.purchaseId} of user ${this.userId} with another content`
  }
}

/**
 * Writes the next step of a replay, and returns the newest step. If another replay wrote a step meanwhile, the result
 * is that other replay's step. If two replays with different contents come at once, one begins, and the other returns
 * the step of the replay that began.
 */
const step = Effect.fnUntraced(function* (key: RejectedKey, replay: Replay, after: number) {
  const records = yield* RejectedRecords
  yield* records.step(key, replay, after).pipe(Effect.catchTag("CommitConflict", () => Effect.void))
  const newest = yield* records.replay(key)
  if (newest !== undefined) return newest
  // The step of another replay is still on its way to the disk.
  return yield* new BrokerUnavailable({
    operation: "replay the record",
    reason: "another replay of this record begins now"
  })
})

/** Returns the input sequence of a replay's purchase. Stores the purchase if no earlier replay has stored it. */
const inputSequenceOf = Effect.fnUntraced(function* ({ purchase, inputSequence }: Replay) {
  if (inputSequence !== undefined) return inputSequence
  const publisher = yield* PurchasePublisher
  const [result] = yield* publisher.publish([purchase])
  return (yield* result ?? Exit.die("no result of a publish")).sequence
})

/**
 * Sends a purchase instead of a rejected purchase, once. The replay writes down the purchase by compare-and-set, sends
 * the purchase, and writes down the outcome. If a replay breaks off, the next call with the same purchase goes on after
 * the last step. The purchase keeps its id, so the account counts it once. `by` is the id of the caller, which each
 * step has; the text is empty if the caller has no id. Returns the newest step, and whether an earlier replay had done
 * all steps. Fails with AlreadyReplayed if an earlier replay had another content.
 */
export const replayRejected = Effect.fnUntraced(function* (key: RejectedKey, purchase: Purchase, by: string) {
  const records = yield* RejectedRecords
  const caller = by === "" ? {} : { by }
  const newest = yield* records.replay(key)
  // A purchase is conflicting because the account has another purchase under the same id. After a conflict a replay
  // with another purchase may begin, because the conflicting purchase is never applied.
  const mayBegin = newest === undefined || (newest.state === "conflicting" && !samePurchase(newest.purchase, purchase))
  const begun = mayBegin ? yield* step(key, { state: "begun", purchase, ...caller }, newest?.sequence ?? 0) : newest
  if (!samePurchase(begun.purchase, purchase)) {
    const { userId, purchaseId } = begun.purchase
    return yield* new AlreadyReplayed({ userId, purchaseId })
  }
  if (begun.state === "applied" || begun.state === "conflicting") return { step: begun, wasFinished: true }

  const inputSequence = yield* inputSequenceOf(begun)
  // Without an answer in time the replay stays at `stored`. The next call with the same purchase asks for the outcome
  // again.
  const entry = yield* outcomeWithin(purchase, inputSequence, outcomeWaitMilliseconds)
  const state = entry === undefined ? "stored" : sameContent(entry, purchase) ? "applied" : "conflicting"
  if (state === begun.state) return { step: begun, wasFinished: false }
  return { step: yield* step(key, { state, purchase, inputSequence, ...caller }, begun.sequence), wasFinished: false }
})
