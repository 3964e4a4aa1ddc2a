import { Duration, Effect, Schedule, type Scope } from "effect"
import type { Account, Targets } from "../account/Account.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { SegmentContent, SegmentLinks } from "../account/Segment.ts"
import {
  AccountReader,
  appliedPurchases,
  type LedgerInconsistent,
  readableRevisionIn,
  wholeAccountOf
} from "../ledger/AccountReader.ts"
import { writeBetween } from "../ledger/CrashPoint.ts"
import { type StoredSegment, storeSegments } from "../ledger/StoredSegment.ts"
import { CommitChain, type JournalRecord } from "../nats/CommitChain.ts"
import { recordAll, RejectedRecords } from "../nats/RejectedRecords.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"

/**
 * The wait before the next read of an account with a missing record, and the most repeats of the read. A broker that is
 * no longer the leader may answer without a record for as long as an election takes.
 */
const missingRetryWait = Duration.seconds(1)
const missingRetriesMax = 4

/** Repeats the read of an account's records for some seconds while a record is missing. */
const untilFound = <A>(read: Effect.Effect<A, BrokerFailure | LedgerInconsistent>) =>
  Effect.retry(read, {
    while: (failure) => failure._tag === "LedgerInconsistent" && failure.isMissing === true,
    schedule: Schedule.spaced(missingRetryWait).pipe(Schedule.upTo({ times: missingRetriesMax }))
  })

/** The services that the requests of actors need. */
export type ActorServices = AccountReader | CommitChain | RejectedRecords

/**
 * The requests of an epoch's actors to the broker. Each request of an actor calls `done` once. Loads of accounts in
 * one commit share a read and a fiber. A request that fails does not call `done`, and ends the epoch.
 */
export interface ActorRequests {
  /**
   * Reads an account, given the sequence of its newest revision. Calls `unreadable` instead of `done` if the journal's
   * records of the account cannot be read, and this epoch owns the partition.
   */
  readonly load: (
    userToken: string,
    newest: number,
    done: (account: Account) => void,
    unreadable: (problem: string) => void
  ) => void
  /**
   * Reads applied purchases, given the sequences of the commits that applied them, by purchase id. Calls `unreadable`
   * instead of `done` if a record cannot be read, and this epoch owns the partition.
   */
  readonly readTargets: (
    userToken: string,
    applied: ReadonlyMap<string, number>,
    done: (targets: Targets) => void,
    unreadable: (problem: string) => void
  ) => void
  /** Stores segments one after the other. Passes the last segment to `done`. */
  readonly seal: (
    userToken: string,
    contents: ReadonlyArray<SegmentContent>,
    links: SegmentLinks,
    done: (stored: StoredSegment) => void
  ) => void
  /** Stores the rejected records of purchases that are not applied. */
  readonly record: (userToken: string, rejections: ReadonlyArray<Rejection>, done: () => void) => void
}

/** A load that waits for the read of the commit with the account's newest revision. */
interface WaitingLoad {
  readonly userToken: string
  readonly done: (account: Account) => void
  readonly unreadable: (problem: string) => void
}

/** The loads that wait for the reads of commits. Loads of accounts in the same commit share one read of the commit. */
class WaitingLoads {
  private readonly byCommit = new Map<number, Array<WaitingLoad>>()

  /**
   * Adds a load. Returns `undefined` if another load already waits for the commit. Otherwise returns the new list of
   * the commit's loads, and the caller reads the commit.
   */
  add(commit: number, load: WaitingLoad): ReadonlyArray<WaitingLoad> | undefined {
    const together = this.byCommit.get(commit)
    if (together !== undefined) return void together.push(load)
    const loads = [load]
    this.byCommit.set(commit, loads)
    return loads
  }

  /** Takes note that a commit was read. Later loads read the commit again. */
  delete(commit: number): void {
    this.byCommit.delete(commit)
  }
}

/**
 * Makes the requests of an epoch's actors. The requests of actors end with the Effect scope of the epoch. `failed` ends
 * the epoch. `stillOwner` proves that the epoch owned the partition after the call.
 */
export const makeActorRequests = (
  partition: number,
  failed: (reason: string) => void,
  stillOwner: Effect.Effect<boolean, BrokerFailure> = Effect.succeed(true)
): Effect.Effect<ActorRequests, never, Scope.Scope | ActorServices> =>
  Effect.gen(function* () {
    const reader = yield* AccountReader
    const chain = yield* CommitChain
    const rejected = yield* RejectedRecords
    const fork = yield* forkInScope()

    const ask = <A>(userToken: string, asked: Effect.Effect<A, BrokerFailure>, done: (a: A) => void) => {
      const fail = (reason: string) => Effect.sync(() => failed(`account ${userToken}: ${reason}`))
      const answered = asked.pipe(
        Effect.map(done),
        Effect.catch((failure) => fail(failure.message)),
        Effect.catchDefect((defect) => fail(`defect: ${String(defect)}`))
      )
      fork(answered)
    }

    const readPatiently = <A>(
      userToken: string,
      read: Effect.Effect<A, BrokerFailure | LedgerInconsistent>,
      done: (value: A) => void,
      unreadable: (problem: string) => void
    ) => {
      const finished = untilFound(read).pipe(
        Effect.map((value) => () => done(value)),
        Effect.catchTag("LedgerInconsistent", ({ problem }) =>
          Effect.flatMap(stillOwner, (isOwner) =>
            isOwner
              ? Effect.succeed(() => unreadable(problem))
              : Effect.sync(() => () => failed("another epoch owns the partition"))
          )
        )
      )
      ask(userToken, finished, (goOn) => goOn())
    }

    const waiting = new WaitingLoads()
    const finishLoad = (commit: JournalRecord | undefined, newest: number, load: WaitingLoad) => {
      const { userToken, done, unreadable } = load
      // Only the revision is kept for further reads, because the text of a commit is large.
      const stored = commit && readableRevisionIn(commit, userToken)
      const account = stored && wholeAccountOf(stored)
      if (account !== undefined) return done(account)
      readPatiently(userToken, reader.load(userToken, newest, stored), done, unreadable)
    }

    return {
      load: (userToken, newest, done, unreadable) => {
        const loads = waiting.add(newest, { userToken, done, unreadable })
        if (loads === undefined) return
        ask(userToken, chain.at(newest), (commit) => {
          waiting.delete(newest)
          for (const load of loads) finishLoad(commit, newest, load)
        })
      },
      readTargets: (userToken, applied, done, unreadable) =>
        readPatiently(userToken, appliedPurchases(reader, userToken, applied), done, unreadable),
      seal: (userToken, contents, links, done) => {
        const seal = (segment: string) =>
          writeBetween(["segment-sent", "segment-stored"], chain.seal(partition, segment))
        ask(userToken, storeSegments(seal, userToken, contents, links), done)
      },
      record: (userToken, rejections, done) => ask(userToken, recordAll(rejected, rejections), done)
    }
  })
