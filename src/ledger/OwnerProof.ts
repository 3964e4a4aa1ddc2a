import { Deferred, Effect, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { headOf } from "../protocol/Commit.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { makeSingleFlightRead } from "./SingleFlightRead.ts"

/** Proves that an epoch still owns its partition. Each strong read needs a proof of ownership. */
export interface OwnerProof {
  /** Waits for the next commit that this epoch publishes. Returns `true` if the broker stores this commit. */
  readonly byNextCommit: Effect.Effect<boolean>
  /**
   * Asks the leader of the journal for a later commit of another epoch. Returns `true` if the chain has no such commit.
   * Concurrent calls share one answer of the leader.
   */
  readonly byLeader: Effect.Effect<boolean, BrokerFailure>
  /**
   * Called before a commit is published. Returns a function, which the caller calls with `true` if the commit was
   * stored, and else with `false`. The function that `publishing` returns ends all calls of `byNextCommit` that waited
   * when `publishing` was called.
   */
  readonly publishing: () => (isStored: boolean) => void
}

/**
 * Makes the proof of ownership of an epoch. `newest` returns the sequence of the epoch's newest commit. When the
 * caller's scope closes, all calls of `byNextCommit` that wait return `false`.
 */
export const makeOwnerProof = (
  { partition, epoch }: { readonly partition: number; readonly epoch: number },
  newest: () => number
): Effect.Effect<OwnerProof, never, CommitChain | Scope.Scope> =>
  Effect.gen(function* () {
    const chain = yield* CommitChain
    let waiting: Array<Deferred.Deferred<boolean>> = []

    const publishing = () => {
      const proved = waiting
      waiting = []
      return (isStored: boolean) => {
        for (const one of proved) Deferred.doneUnsafe(one, Effect.succeed(isStored))
      }
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => publishing()(false)))

    // A later commit of the chain may be a commit of this epoch that is in flight.
    const isNewest = (after: number): Effect.Effect<boolean, BrokerFailure> =>
      Effect.flatMap(chain.next(partition, after), (later) => {
        if (later === undefined) return Effect.succeed(true)
        return headOf(later.text).epoch === epoch ? isNewest(later.sequence) : Effect.succeed(false)
      })

    return {
      byNextCommit: Effect.suspend(() => {
        const one = Deferred.makeUnsafe<boolean>()
        waiting.push(one)
        return Deferred.await(one)
      }),
      byLeader: yield* makeSingleFlightRead(Effect.suspend(() => isNewest(newest()))),
      publishing
    }
  })
