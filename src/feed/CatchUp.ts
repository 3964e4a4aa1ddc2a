import { Effect } from "effect"
import { filter, map, type Subscriber } from "rxjs"
import type { BrokerFailure, BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { behindCommit, decodeFeedPlace, type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { FeedMessage } from "../nats/FollowedStream.ts"
import type { NotCurrent } from "../asking/QueryClient.ts"
import type { FeedItem, ResetReason } from "./FeedItem.ts"
import type { Gathered, FeedTail } from "./FeedTail.ts"
import { slicesOf } from "./RecentMessages.ts"

/** The request of a reader. */
export interface FeedRequest {
  /** The subject token of the feed's user. Without a token, the feed has the messages of all users. */
  readonly userToken?: string
  /** The place after which to go on, as the reader gave it. Without a place, the feed begins at the newest message. */
  readonly lastEventId?: string
  /**
   * Resolves when the reader has taken the items that it was given. The feed waits for a reader only while the reader
   * catches up.
   */
  readonly ready: () => Promise<void>
}

/** The reads of the stream that a reader needs while it catches up. */
export interface FeedReads {
  readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /**
   * Returns the next messages after a place, of one user or of all. Returns an empty list if there are no later
   * messages.
   */
  readonly pageAfter: (
    after: FeedPlace,
    userToken: string | undefined
  ) => Effect.Effect<ReadonlyArray<FeedMessage>, BrokerFailure | NotCurrent>
}

const unavailable: FeedItem = { kind: "end", reason: "unavailable" }

/** Serves one reader of the feed: first what follows the reader's place, and then new messages as they come. */
export class CatchUp {
  private readonly reads: FeedReads
  private readonly tail: FeedTail
  private readonly request: FeedRequest
  private readonly subscriber: Subscriber<FeedItem>

  constructor(reads: FeedReads, tail: FeedTail, request: FeedRequest, subscriber: Subscriber<FeedItem>) {
    this.reads = reads
    this.tail = tail
    this.request = request
    this.subscriber = subscriber
  }

  /** Gives the reader its place, then the later messages of the stream, and then new messages as they come. */
  get run(): Effect.Effect<void> {
    return this.start().pipe(
      Effect.flatMap((from) =>
        this.catchUp(from).pipe(Effect.catch(() => Effect.sync(() => this.subscriber.next(unavailable))))
      ),
      Effect.catch((failure) => Effect.sync(() => this.subscriber.error(failure)))
    )
  }

  private reset(reason: ResetReason): FeedPlace {
    const place = this.tail.recent.newest
    this.subscriber.next({ kind: "reset", place, reason })
    return place
  }

  private start(): Effect.Effect<FeedPlace, BrokerUnavailable | BrokerRefused> {
    return Effect.gen({ self: this }, function* () {
      const { newest } = this.tail.recent
      const { lastEventId } = this.request
      const place = lastEventId === undefined ? newest : decodeFeedPlace(lastEventId)
      if (place === undefined) return this.reset("not-a-sequence")
      const isBeyond = place.sequence > newest.sequence
      if (isBeyond && place.sequence > (yield* this.reads.lastSequence)) return this.reset("beyond-the-end")
      this.subscriber.next({ kind: "start", place })
      return place
    })
  }

  private catchUp(from: FeedPlace): Effect.Effect<void, BrokerFailure | NotCurrent> {
    return Effect.gen({ self: this }, function* () {
      const { userToken } = this.request
      let cursor = from
      while (true) {
        // Messages that are not in memory are read from the stream. If the stream has no such messages either, the
        // reader has everything that is older than the messages in memory.
        const { floor } = this.tail.recent
        const known = this.tail.recent.after(cursor, userToken)
        const messages = known ?? (yield* this.reads.pageAfter(cursor, userToken))
        const last = messages.at(-1)
        if (last === undefined && !isAfter(floor, cursor)) return this.join(cursor)
        if (last === undefined) cursor = floor
        else {
          // A page of the stream ends with a whole stored message. A cursor at the last line of that message would read
          // the message again.
          cursor = known === undefined ? behindCommit(last.place.sequence) : last.place
          yield* this.give(messages)
        }
      }
    })
  }

  private give(messages: ReadonlyArray<FeedMessage>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const slice of slicesOf(messages)) {
        this.subscriber.next({ kind: "messages", messages: slice })
        yield* Effect.promise(this.request.ready)
      }
    })
  }

  /**
   * Passes new messages on to the reader from now on. No message is missed, because the reader joins in the same turn
   * in which nothing was left to read.
   */
  private join(cursor: FeedPlace): void {
    // The reader may be ahead of this edge, if another edge served the reader before.
    const isNew = ({ place }: FeedMessage) => isAfter(place, cursor)
    const live = this.tail.live(this.request.userToken).pipe(
      map((gathered): Gathered =>
        gathered[0] !== undefined && isNew(gathered[0]) ? gathered : gathered.filter(isNew)
      ),
      filter((gathered) => gathered.length > 0),
      map((messages): FeedItem => ({ kind: "messages", messages }))
    )
    this.subscriber.add(live.subscribe(this.subscriber))
  }
}
