import { Effect } from "effect"
import type { Account } from "../account/Account.ts"
import type { HeadUsers } from "../ledger/HeadUsers.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"

/**
 * A function that looks at an account in the turn of its actor. A look copies the values that it needs, and keeps no
 * part of the account.
 */
export interface Look<A> {
  readonly userToken: string
  readonly look: (account: Account) => A
}

/** The reads that the owner of a partition offers while its epoch lasts. */
export interface EpochReads {
  /**
   * Returns the input sequence of the partition's newest message, as the leader has it. Returns `dispatchedThrough` if
   * the input log has no message behind `dispatchedThrough`. The result is never below the position of the partition.
   */
  readonly newestInput: Effect.Effect<number, BrokerFailure>
  /** Returns the input sequence up to which everything is in the mailboxes of the actors. */
  readonly dispatchedThrough: () => number
  /** Waits until the input up to a sequence is in the mailboxes of the actors. */
  readonly untilDispatched: (inputSequence: number) => Effect.Effect<void>
  /**
   * Looks at each account after its actor has committed everything that the actor was given before. Waits until all
   * looks are done. The result of a look is `undefined` for an account that cannot be read.
   */
  readonly lookAll: <A>(looks: ReadonlyArray<Look<A>>) => Effect.Effect<ReadonlyArray<A | undefined>>
  /** The users of the partition, and the number of partitions of the ledger. */
  readonly users: { readonly heads: HeadUsers; readonly partitions: number }
  /** Returns whether the epoch still owned the partition at some moment after the call. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/**
 * Looks at accounts when they include all input that was stored before the call. Returns `undefined` if the epoch is
 * over. The first look is current if the actors had all input of the log. If the actors lacked input, waits until the
 * actors have the input, and looks at the accounts again. Checks ownership last, because input that another owner
 * applied may be purged already. Neither the log nor the position of this worker would show input that is purged.
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

/**
 * Looks at accounts as of their newest commits, without a check for input that is not applied. Returns `undefined` if
 * the epoch is over.
 */
export const lookCommitted = <A>(
  reads: EpochReads,
  look: Effect.Effect<A>
): Effect.Effect<A | undefined, BrokerFailure> =>
  Effect.flatMap(look, (seen) => Effect.map(reads.stillOwner, (isOwner) => (isOwner ? seen : undefined)))
