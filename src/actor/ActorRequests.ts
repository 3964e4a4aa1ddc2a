import { Effect, type Scope } from "effect"
import type { Account } from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import type { Rejection } from "../domain/Rejection.ts"
import { encodeSegment, linksAfter, type SegmentContent, type SegmentLinks } from "../domain/Segment.ts"
import { AccountReader } from "../ledger/AccountReader.ts"
import { writeBetween } from "../ledger/CrashPoint.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { RejectedRecords } from "../nats/RejectedRecords.ts"

/** How many records of one decision's conflicts are written at once. */
const recordsAtOnceMax = 16

/** What reading and writing for actors needs. */
export type ActorServices = AccountReader | CommitChain | RejectedRecords

/** A segment that is stored, and what the one after it names. */
export interface StoredSegment {
  readonly segment: number
  readonly links: SegmentLinks
}

/**
 * What the actors of an epoch ask the broker for. Each calls `done` once, in a turn of its own; never if it fails, for then
 * the epoch is over.
 */
export interface ActorRequests {
  /** Reads an account, given the sequence of its newest revision. */
  readonly load: (userToken: string, newest: number, done: (account: Account) => void) => void
  /** Stores segments in their order. Tells of the last. */
  readonly seal: (
    userToken: string,
    contents: ReadonlyArray<SegmentContent>,
    links: SegmentLinks,
    done: (stored: StoredSegment) => void
  ) => void
  /** Stores why purchases are not applied. */
  readonly record: (userToken: string, rejections: ReadonlyArray<Rejection>, done: () => void) => void
}

/** Stores segments one after the other, because each names those before it. */
const storeSegments = Effect.fnUntraced(function* (
  seal: (segment: string) => Effect.Effect<number, BrokerFailure>,
  userToken: string,
  contents: ReadonlyArray<SegmentContent>,
  first: SegmentLinks
): Effect.fn.Return<StoredSegment, BrokerFailure> {
  let links = first
  let segment = 0
  for (const content of contents) {
    segment = yield* seal(encodeSegment({ userToken, ...content, links }))
    links = linksAfter(links, segment)
  }
  return { segment, links }
})

/** Makes the requests of an epoch's actors, which end with its scope. `failed` ends the epoch. */
export const makeActorRequests = (
  partition: number,
  failed: (reason: string) => void
): Effect.Effect<ActorRequests, never, Scope.Scope | ActorServices> =>
  Effect.gen(function* () {
    const reader = yield* AccountReader
    const chain = yield* CommitChain
    const rejected = yield* RejectedRecords
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<never>())

    const ask = <A>(userToken: string, asked: Effect.Effect<A, { readonly message: string }>, done: (a: A) => void) => {
      const fail = (reason: string) => Effect.sync(() => failed(`account ${userToken}: ${reason}`))
      const answered = asked.pipe(
        Effect.map(done),
        Effect.catch((failure) => fail(failure.message)),
        Effect.catchDefect((defect) => fail(`defect: ${String(defect)}`))
      )
      run(Effect.forkIn(answered, scope))
    }

    return {
      load: (userToken, newest, done) => ask(userToken, reader.load(userToken, newest), done),
      seal: (userToken, contents, links, done) => {
        const seal = (segment: string) =>
          writeBetween(["segment-sent", "segment-stored"], chain.seal(partition, segment))
        ask(userToken, storeSegments(seal, userToken, contents, links), done)
      },
      record: (userToken, rejections, done) => {
        const records = Effect.forEach(rejections, rejected.record, { concurrency: recordsAtOnceMax, discard: true })
        ask(userToken, records, done)
      }
    }
  })
