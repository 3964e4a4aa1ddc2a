import { Effect, type Scope } from "effect"
import type { Account } from "../account/Account.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { SegmentContent, SegmentLinks } from "../account/Segment.ts"
import { AccountReader, type LedgerInconsistent } from "../ledger/AccountReader.ts"
import { writeBetween } from "../ledger/CrashPoint.ts"
import { type StoredSegment, storeSegments } from "../ledger/StoredSegment.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { recordAll, RejectedRecords } from "../nats/RejectedRecords.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"

/** The services that the requests of actors need. */
export type ActorServices = AccountReader | CommitChain | RejectedRecords

/**
 * The requests of an epoch's actors to the broker. Each request calls `done` once, in a fiber of its own. A request
 * that fails does not call `done`, and ends the epoch.
 */
export interface ActorRequests {
  /** Reads an account, given the sequence of its newest revision. */
  readonly load: (userToken: string, newest: number, done: (account: Account) => void) => void
  /** Stores segments one after the other. `done` gets the last segment. */
  readonly seal: (
    userToken: string,
    contents: ReadonlyArray<SegmentContent>,
    links: SegmentLinks,
    done: (stored: StoredSegment) => void
  ) => void
  /** Stores the rejected records of purchases that are not applied. */
  readonly record: (userToken: string, rejections: ReadonlyArray<Rejection>, done: () => void) => void
}

/** Makes the requests of an epoch's actors. Requests end with the scope of the epoch. `failed` ends the epoch. */
export const makeActorRequests = (
  partition: number,
  failed: (reason: string) => void
): Effect.Effect<ActorRequests, never, Scope.Scope | ActorServices> =>
  Effect.gen(function* () {
    const reader = yield* AccountReader
    const chain = yield* CommitChain
    const rejected = yield* RejectedRecords
    const fork = yield* forkInScope()

    const ask = <A>(
      userToken: string,
      asked: Effect.Effect<A, BrokerFailure | LedgerInconsistent>,
      done: (a: A) => void
    ) => {
      const fail = (reason: string) => Effect.sync(() => failed(`account ${userToken}: ${reason}`))
      const answered = asked.pipe(
        Effect.map(done),
        // The message of this error names the account already.
        Effect.catchTag("LedgerInconsistent", ({ message }) => Effect.sync(() => failed(message))),
        Effect.catch((failure) => fail(failure.message)),
        Effect.catchDefect((defect) => fail(`defect: ${String(defect)}`))
      )
      fork(answered)
    }

    return {
      load: (userToken, newest, done) => ask(userToken, reader.load(userToken, newest), done),
      seal: (userToken, contents, links, done) => {
        const seal = (segment: string) =>
          writeBetween(["segment-sent", "segment-stored"], chain.seal(partition, segment))
        ask(userToken, storeSegments(seal, userToken, contents, links), done)
      },
      record: (userToken, rejections, done) => ask(userToken, recordAll(rejected, rejections), done)
    }
  })
