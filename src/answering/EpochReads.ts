import { Effect } from "effect"
import type { Account } from "../account/Account.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"

/** A look at an account. It reads what it needs, and keeps no part of the account. */
export interface Look<A> {
  readonly userToken: string
  readonly look: (account: Account) => A
}

/** The reads that the owner of a partition offers, in the name of its epoch. */
export interface EpochReads {
  /**
   * Returns the input sequence of the partition's newest message, as the leader has it. If the log has nothing newer than
   * `dispatchedThrough`, it is that, or the position if the position is higher.
   */
  readonly newestInput: Effect.Effect<number, BrokerFailure>
  /** Returns the input sequence up to which everything is in the mailboxes of the actors. */
  readonly dispatchedThrough: () => number
  /** Waits until the input up to a sequence is in the mailboxes of the actors. */
  readonly untilDispatched: (inputSequence: number) => Effect.Effect<void>
  /** Looks at each account after its actor has committed everything that it was given before. Waits for all of them. */
  readonly lookAll: <A>(looks: ReadonlyArray<Look<A>>) => Effect.Effect<ReadonlyArray<A>>
  /** Whether the epoch still owns the partition at some moment after it was asked. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/**
 * Looks with everything that was stored before the question; `undefined` if the epoch is over. If the log holds nothing
 * newer, the first look is current. Otherwise it waits until the actors have the newer input, and looks again. Ownership is
 * checked last: input that another owner applied may be purged, and then neither the log nor our position shows it.
 */
export const lookStrong = Effect.fnUntraced(function* <A>(reads: EpochReads, look: Effect.Effect<A>) {
  const dispatchedThrough = reads.dispatchedThrough()
  let seen = yield* look
  const newest = yield* reads.newestInput
  if (newest > dispatchedThrough) {
    yield* reads.untilDispatched(newest)
    seen = yield* look
  }
  return (yield* reads.stillOwner) ? seen : undefined
})

/** Looks with everything that is in the chain, as its owner; `undefined` if the epoch is over. */
export const lookCommitted = <A>(
  reads: EpochReads,
  look: Effect.Effect<A>
): Effect.Effect<A | undefined, BrokerFailure> =>
  Effect.flatMap(look, (seen) => Effect.map(reads.stillOwner, (isOwner) => (isOwner ? seen : undefined)))
