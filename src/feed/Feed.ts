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
import { CommitStream } from "../nats/CommitStream.ts"
import { type FollowedStream, LedgerReplaced } from "../nats/FollowedStream.ts"
import { RestingTurns } from "../runtime/RestingTurns.ts"
import { CatchUp, type FeedRequest, type FeedReads } from "./CatchUp.ts"
import type { FeedItem } from "./FeedItem.ts"
import { FeedTail } from "./FeedTail.ts"
import { makeUserPage } from "./UserPage.ts"

/** The most readers of one feed of an edge. */
export const readersMax = 4_096
/** The most pages of a stream that an edge reads at once, for readers that catch up. */
const pagesAtOnceMax = 8
/** The time between two heartbeats, which show whether a connection is gone. */
export const heartbeat = Duration.seconds(15)
/** The time for which an edge still follows a stream after the last reader has left. */
const linger = Duration.seconds(5)

/** The failure of an edge whose feed has {@link readersMax} readers. Another edge may have room for the reader. */
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

/** Follows a stream with one subscription for all readers of the edge, while the edge has readers. */
const followTail = (stream: FollowedStream, run: Run): Observable<FeedTail> =>
  new Observable<FeedTail>((subscriber) => {
    let tail: FeedTail | undefined
    const following = Effect.gen(function* () {
      const opened = new FeedTail(yield* stream.lastSequence)
      tail = opened
      subscriber.next(opened)
      return yield* stream.follow(opened.recent.newest.sequence, (message) => opened.hear(message))
    })
    const fiber = run(following.pipe(Effect.catch((failure) => Effect.sync(() => subscriber.error(failure)))))
    return () => {
      run(Fiber.interrupt(fiber))
      tail?.close()
    }
  }).pipe(share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: () => timer(Duration.toMillis(linger)) }))

/** Sends each message of a stream to many readers as soon as the message is stored. */
export interface StreamFeed {
  /**
   * Returns the items for a reader from the reader's place on, without a gap and without a repeat. The feed begins when
   * the returned observable is subscribed. The observable may fail with a {@link FeedFailure}, and fails only before
   * the first item.
   */
  readonly open: (request: FeedRequest) => Observable<FeedItem>
  /** Returns the number of readers of the feed. */
  readonly readers: () => number
  /** Ends all present and future feeds, because the process stops. */
  readonly stop: Effect.Effect<void>
}

/**
 * Makes the feed of a stream. `pageAfter` reads the messages that are not in memory. Without `removedThrough`, no
 * message of the stream is ever removed.
 */
export const makeFeed = Effect.fnUntraced(function* (
  stream: FollowedStream,
  pageAfter: FeedReads["pageAfter"],
  removedThrough: FeedReads["removedThrough"] = Effect.succeed(0)
): Effect.fn.Return<StreamFeed> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const tails = followTail(stream, run)
  const reads: FeedReads = { lastSequenceFrom: stream.lastSequenceFrom, removedThrough, pageAfter }
  const turns = yield* RestingTurns.make
  const stopped = new ReplaySubject<FeedItem>(1)
  let readers = 0

  const read = (tail: FeedTail, request: FeedRequest) =>
    new Observable<FeedItem>((subscriber) => {
      const fiber = run(new CatchUp(reads, tail, request, subscriber, turns).run)
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

  return {
    open,
    readers: () => readers,
    stop: Effect.sync(() => stopped.next({ kind: "end", reason: "stopping" }))
  }
})

/** Returns the semaphore that bounds how many pages of a stream an edge reads at once for readers that catch up. */
export const pageTurns = () => Semaphore.makeUnsafe(pagesAtOnceMax)

/** Sends each applied purchase to many readers as soon as the purchase is applied. */
export class Feed extends Context.Service<Feed, StreamFeed>()("purchases/feed/Feed") {
  static readonly layer = Layer.effect(
    Feed,
    Effect.gen(function* () {
      const stream = yield* CommitStream
      const pages = pageTurns()
      const pageOfUser = yield* makeUserPage(pages.withPermit)
      return Feed.of(
        yield* makeFeed(stream, (after, userToken) =>
          userToken === undefined ? pages.withPermit(stream.page(after)) : pageOfUser(after, userToken)
        )
      )
    })
  )
}
