import { Context, Duration, Effect, Fiber, Layer, Schema, Semaphore } from "effect"
import {
  asyncScheduler,
  catchError,
  defer,
  finalize,
  interval,
  map,
  merge,
  Observable,
  of,
  ReplaySubject,
  type SchedulerLike,
  share,
  switchMap,
  takeWhile,
  throwError,
  timer
} from "rxjs"
import type { BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { CommitStream, LedgerReplaced } from "../nats/CommitStream.ts"
import { CatchUp, type FeedRequest, type JournalReads } from "./CatchUp.ts"
import type { FeedItem } from "./FeedItem.ts"
import { JournalTail } from "./JournalTail.ts"
import { makeUserPage } from "./UserPage.ts"

/** The most readers of one edge. */
export const readersMax = 4_096
/** The most pages of the journal that an edge reads at once, for readers that catch up. */
const pagesAtOnceMax = 8
/** The time between two heartbeats, which show whether a connection is gone. */
export const heartbeat = Duration.seconds(15)
/** The time for which the journal is followed after the last reader has left. */
const linger = Duration.seconds(5)

/** This edge has as many readers of feeds as it may have. Another edge may have room for a reader. */
export class FeedFull extends Schema.TaggedError<FeedFull>()("FeedFull", {}) {
  override get message() {
    return `this edge has ${readersMax} readers of feeds already`
  }
}

export type FeedFailure = BrokerUnavailable | BrokerRefused | FeedFull

/** Adds heartbeats to the items for a reader, until the item `end`. */
export const withHeartbeats = (items: Observable<FeedItem>, scheduler: SchedulerLike = asyncScheduler) =>
  merge(
    items,
    interval(Duration.toMillis(heartbeat), scheduler).pipe(map((): FeedItem => ({ kind: "heartbeat" })))
  ).pipe(takeWhile(({ kind }) => kind !== "end", true))

type Run = <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>

/** Follows the journal once for all readers of the edge, while the edge has readers. */
const followTail = (stream: (typeof CommitStream)["Service"], run: Run): Observable<JournalTail> =>
  new Observable<JournalTail>((subscriber) => {
    let tail: JournalTail | undefined
    const following = Effect.gen(function* () {
      const opened = new JournalTail(yield* stream.lastSequence)
      tail = opened
      subscriber.next(opened)
      return yield* stream.follow(opened.recent.newest.sequence, (revision) => opened.hear(revision))
    })
    const fiber = run(following.pipe(Effect.catch((failure) => Effect.sync(() => subscriber.error(failure)))))
    return () => {
      run(Fiber.interrupt(fiber))
      tail?.close()
    }
  }).pipe(share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: () => timer(Duration.toMillis(linger)) }))

/** Passes purchases on to many readers, as soon as they are applied. */
export class Feed extends Context.Service<
  Feed,
  {
    /**
     * Returns the items for a reader from its place on, without a gap and without a repeat. Reading begins with the
     * subscription. An error is a {@link FeedFailure}, and comes before any item.
     */
    readonly open: (request: FeedRequest) => Observable<FeedItem>
    /** Returns the number of readers. */
    readonly readers: () => number
    /** Ends all present and future feeds, because the process stops. */
    readonly stop: Effect.Effect<void>
  }
>()("purchases/feed/Feed") {
  static readonly layer = Layer.effect(
    Feed,
    Effect.gen(function* () {
      const stream = yield* CommitStream
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const pages = Semaphore.makeUnsafe(pagesAtOnceMax)
      const pageOfUser = yield* makeUserPage(pages.withPermit)
      const tails = followTail(stream, run)
      const reads: JournalReads = {
        lastSequence: stream.lastSequence,
        pageAfter: (after, userToken) =>
          userToken === undefined ? pages.withPermit(stream.page(after)) : pageOfUser(after, userToken)
      }
      const stopped = new ReplaySubject<FeedItem>(1)
      let readers = 0

      const read = (tail: JournalTail, request: FeedRequest) =>
        new Observable<FeedItem>((subscriber) => {
          const fiber = run(new CatchUp(reads, tail, request, subscriber).run)
          return () => void run(Fiber.interrupt(fiber))
        })

      const open = (request: FeedRequest) =>
        defer(() => {
          if (readers >= readersMax) return throwError(() => new FeedFull())
          readers += 1
          const items = tails.pipe(
            switchMap((tail) => read(tail, request)),
            catchError((failure) =>
              failure instanceof LedgerReplaced
                ? of<FeedItem>({ kind: "end", reason: "ledger-replaced" })
                : throwError(() => failure)
            )
          )
          return withHeartbeats(merge(stopped, items)).pipe(finalize(() => void (readers -= 1)))
        })

      return Feed.of({
        open,
        readers: () => readers,
        stop: Effect.sync(() => stopped.next({ kind: "end", reason: "stopping" }))
      })
    })
  )
}
