import { Effect } from "effect"
import { filter, map, type Subscriber } from "rxjs"
import type { BrokerFailure, BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { behindCommit, decodeFeedPlace, type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { FeedMessage } from "../nats/FollowedStream.ts"
import type { RestingTurns } from "../runtime/RestingTurns.ts"
import type { NotCurrent } from "../asking/QueryClient.ts"
import type { FeedItem, ResetReason } from "./FeedItem.ts"
import type { Gathered, FeedTail } from "./FeedTail.ts"
import { slicesOf } from "./RecentMessages.ts"

/** The request of a reader for a feed. */
export interface FeedRequest {
  /** The subject token of the feed's user. Without a token, the feed has the messages of all users. */
  readonly userToken?: string
  /**
   * The place after which the feed goes on, as the text that the reader gave. Without a place, the feed begins at the
   * newest message.
   */
  readonly lastEventId?: string
  /**
   * Resolves when the reader has taken all items that the feed has sent. The feed calls `ready` only while the reader
   * catches up.
   */
  readonly ready: () => Promise<void>
}

/** The reads of the stream that a reader needs while it catches up. */
export interface FeedReads {
  /** See `FollowedStream.lastSequenceFrom`. */
  readonly lastSequenceFrom: (sequence: number) => Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /** Returns the sequence of the newest message that was removed because of its age; 0 if no message was removed. */
  readonly removedThrough: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /**
   * Returns the next messages of the stream after a place, of one user or of all users. Returns an empty list if the
   * stream has no message after the place.
   */
  readonly pageAfter: (
    after: FeedPlace,
    userToken: string | undefined
  ) => Effect.Effect<ReadonlyArray<FeedMessage>, BrokerFailure | NotCurrent>
}

const unavailable: FeedItem = { kind: "end", reason: "unavailable" }

/**
 * Serves one reader of the feed: first sends the stored messages after the reader's place, and then each new message.
 */
export class CatchUp {
  private readonly reads: FeedReads
  private readonly tail: FeedTail
  private readonly request: FeedRequest
  private readonly subscriber: Subscriber<FeedItem>
  private readonly turns: RestingTurns

  constructor(
    reads: FeedReads,
    tail: FeedTail,
    request: FeedRequest,
    subscriber: Subscriber<FeedItem>,
    turns: RestingTurns
  ) {
    this.turns = turns
    this.reads = reads
    this.tail = tail
    this.request = request
    this.subscriber = subscriber
  }

  /** Sends the reader its place, then the stored messages after this place, and then each new message. */
  get run(): Effect.Effect<void> {
    return this.start().pipe(
      Effect.flatMap((from) =>
        this.catchUp(from).pipe(Effect.catch(() => Effect.sync(() => this.subscriber.next(unavailable))))
      ),
      Effect.catch((failure) => Effect.sync(() => this.subscriber.error(failure)))
    )
  }

  private reset(reason: ResetReason, place = this.tail.recent.newest): FeedPlace {
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
      if (isBeyond && place.sequence > (yield* this.reads.lastSequenceFrom(place.sequence))) {
        return this.reset("beyond-the-end")
      }
      // A place whose later messages are all in memory needs no read.
      if (isAfter(this.tail.recent.floor, place)) {
        const removed = yield* this.removedBehind(place)
        if (removed > 0) return this.reset("removed", behindCommit(removed))
      }
      this.subscriber.next({ kind: "start", place })
      return place
    })
  }

  /**
   * Returns the sequence of the newest removed message, if messages after a place were removed; otherwise 0. The place 0
   * is the beginning of the messages that are kept. Call `removedBehind` after the page behind the place was read: each
   * removal is stored before it happens, so 0 means that the page is complete.
   */
  private removedBehind({ sequence }: FeedPlace): Effect.Effect<number, BrokerUnavailable | BrokerRefused> {
    if (sequence === 0) return Effect.succeed(0)
    return Effect.map(this.reads.removedThrough, (removed) => (sequence < removed ? removed : 0))
  }

  private catchUp(from: FeedPlace): Effect.Effect<void, BrokerFailure | NotCurrent> {
    return Effect.gen({ self: this }, function* () {
      const { userToken } = this.request
      let cursor = from
      while (true) {
        // Messages that are not in memory are read from the stream. If neither the memory nor the stream has messages
        // after the cursor, the reader has caught up with the messages in memory.
        const { floor } = this.tail.recent
        const known = this.tail.recent.after(cursor, userToken)
        const messages = known ?? (yield* this.reads.pageAfter(cursor, userToken))
        const removed = known === undefined ? yield* this.removedBehind(cursor) : 0
        if (removed > 0) {
          cursor = this.reset("removed", behindCommit(removed))
          continue
        }
        const last = messages.at(-1)
        if (last === undefined && !isAfter(floor, cursor)) return this.join(cursor)
        if (last === undefined) cursor = floor
        else {
          // A page of the stream ends with a whole message of the stream. A cursor at the last line of a message would
          // read the whole message again.
          cursor = known === undefined ? behindCommit(last.place.sequence) : last.place
          yield* this.give(messages)
        }
      }
    })
  }

  private give(messages: ReadonlyArray<FeedMessage>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const slice of slicesOf(messages)) {
        yield* this.turns.take(() => this.subscriber.next({ kind: "messages", messages: slice }))
        yield* Effect.promise(this.request.ready)
      }
    })
  }

  /**
   * Subscribes the reader to new messages. No message is missed, because the reader subscribes in the same turn of the
   * event loop in which no stored message was left to read.
   */
  private join(cursor: FeedPlace): void {
    // The reader's place may be later than the newest message of this edge, if another edge served the reader before.
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
