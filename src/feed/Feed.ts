import { Context, Effect, Fiber, Layer, Schema, Semaphore } from "effect"
import {
  asyncScheduler,
  catchError,
  defer,
  filter,
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
import type { BrokerFailure, BrokerRefused, BrokerUnavailable } from "../domain/BrokerError.ts"
import { behindCommit, decodeFeedPlace, type FeedPlace, isAfter } from "../domain/FeedPlace.ts"
import { CommitStream, LedgerReplaced, type RevisionMessage } from "../nats/CommitStream.ts"
import type { NotCurrent } from "../query/QueryClient.ts"
import type { FeedItem, ResetReason } from "./FeedItem.ts"
import { slicesOf } from "./RecentRevisions.ts"
import { JournalTail } from "./JournalTail.ts"
import { makeUserPage } from "./UserPage.ts"

/** The most readers of one edge. */
export const readersMax = 4_096
/** How many pages of the journal an edge reads at once for readers who catch up. */
const pagesAtOnceMax = 8
/** A comment is sent this often, so that a connection that is gone is found out. */
export const heartbeatMilliseconds = 15_000
/** The journal is followed for so long after the last reader has left. */
const lingerMilliseconds = 5_000

/** This edge has as many readers of feeds as it takes. */
export class FeedFull extends Schema.TaggedError<FeedFull>()("FeedFull", {}) {
  override get message() {
    return `${readersMax} readers of feeds are here already`
  }
}

export type FeedFailure = BrokerUnavailable | BrokerRefused | FeedFull

/** What a reader asks for. */
export interface FeedRequest {
  /** Whose revisions; everybody's when it is left out. */
  readonly userToken?: string
  /** The place after which to go on, as the reader gave it; from now on if it is left out. */
  readonly lastEventId?: string
  /** Resolves when the reader has taken what it was given: only who catches up is waited for. */
  readonly ready: () => Promise<void>
}

/** Adds heartbeats to what a reader gets. */
export const withHeartbeats = (items: Observable<FeedItem>, scheduler: SchedulerLike = asyncScheduler) =>
  merge(items, interval(heartbeatMilliseconds, scheduler).pipe(map((): FeedItem => ({ kind: "heartbeat" })))).pipe(
    takeWhile(({ kind }) => kind !== "end", true)
  )

/** What was applied, as it is applied, for any number of readers. */
export class Feed extends Context.Service<
  Feed,
  {
    /**
     * What a reader gets from its place on, without a gap and without a repeat. It costs nothing until it is
     * subscribed to. An error is a {@link FeedFailure}, and can only come first.
     */
    readonly open: (request: FeedRequest) => Observable<FeedItem>
    /** How many readers there are. */
    readonly readers: () => number
    /** Ends all feeds, those too that are opened later: the process stops. */
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
      const stopped = new ReplaySubject<FeedItem>(1)
      let readers = 0

      const tails = new Observable<JournalTail>((subscriber) => {
        let tail: JournalTail | undefined
        const following = Effect.gen(function* () {
          const opened = new JournalTail(yield* stream.lastSequence)
          tail = opened
          subscriber.next(opened)
          return yield* stream.follow(opened.recent.reached.sequence, (revision) => opened.hear(revision))
        })
        const fiber = run(following.pipe(Effect.catch((failure) => Effect.sync(() => subscriber.error(failure)))))
        return () => {
          run(Fiber.interrupt(fiber))
          tail?.close()
        }
      }).pipe(
        // One for all readers, as long as there are some.
        share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: () => timer(lingerMilliseconds) })
      )

      const pageAfter = (
        after: FeedPlace,
        userToken: string | undefined
      ): Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerFailure | NotCurrent> =>
        userToken === undefined ? pages.withPermit(stream.page(after)) : pageOfUser(after, userToken)

      /** The reader's place, and then all that follows it, from the journal first and from the tail as it grows after. */
      const read = (tail: JournalTail, { userToken, lastEventId, ready }: FeedRequest) =>
        new Observable<FeedItem>((subscriber) => {
          const reset = (reason: ResetReason) => {
            const place = tail.recent.reached
            subscriber.next({ kind: "reset", place, reason })
            return place
          }

          const start = Effect.gen(function* () {
            const place = lastEventId === undefined ? tail.recent.reached : decodeFeedPlace(lastEventId)
            if (place === undefined) return reset("not-a-sequence")
            const isBeyond = place.sequence > tail.recent.reached.sequence
            if (isBeyond && place.sequence > (yield* stream.lastSequence)) return reset("beyond-the-end")
            subscriber.next({ kind: "place", place })
            return place
          })

          const catchUp = Effect.fnUntraced(function* (from: FeedPlace) {
            let cursor = from
            while (true) {
              // What is not in memory is read; when there is none of that, the reader has all that is below.
              const floor = tail.recent.floor
              const known = tail.recent.after(cursor, userToken)
              const revisions = known ?? (yield* pageAfter(cursor, userToken))
              const last = revisions.at(-1)
              if (last === undefined && !isAfter(floor, cursor)) return join(cursor)
              if (last === undefined) cursor = floor
              else {
                // A page ends with a whole commit. Behind its last line the commit would be read again.
                cursor = known === undefined ? behindCommit(last.place.sequence) : last.place
                for (const slice of slicesOf(revisions)) {
                  subscriber.next({ kind: "applied", revisions: slice })
                  yield* Effect.promise(ready)
                }
              }
            }
          })

          /** In the turn in which nothing was left to catch up with, so that nothing comes in between. */
          const join = (cursor: FeedPlace) => {
            const isNew = ({ place }: RevisionMessage) => isAfter(place, cursor)
            const applied = tail.live(userToken).pipe(
              // Who was told by another edge may be ahead of this one.
              map((gathered) => (gathered[0] !== undefined && isNew(gathered[0]) ? gathered : gathered.filter(isNew))),
              filter((gathered) => gathered.length > 0),
              map((revisions): FeedItem => ({ kind: "applied", revisions }))
            )
            subscriber.add(applied.subscribe(subscriber))
          }

          const unavailable = Effect.sync(() => subscriber.next({ kind: "end", reason: "unavailable" }))
          const reading = start.pipe(
            Effect.flatMap((from) => catchUp(from).pipe(Effect.catch(() => unavailable))),
            Effect.catch((failure) => Effect.sync(() => subscriber.error(failure)))
          )
          const fiber = run(reading)
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
