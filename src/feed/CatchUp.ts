import { Effect } from "effect"
import { filter, map, type Subscriber } from "rxjs"
import type { BrokerFailure, BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { behindCommit, decodeFeedPlace, type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { RevisionMessage } from "../nats/CommitStream.ts"
import type { NotCurrent } from "../asking/QueryClient.ts"
import type { FeedItem, ResetReason } from "./FeedItem.ts"
import type { Gathered, JournalTail } from "./JournalTail.ts"
import { slicesOf } from "./RecentRevisions.ts"

/** The request of a reader. */
export interface FeedRequest {
  /** The subject token of the account's user. Without a token, the feed has the revisions of all accounts. */
  readonly userToken?: string
  /** The place after which to go on, as the reader gave it. Without a place, the feed begins at the newest revision. */
  readonly lastEventId?: string
  /**
   * Resolves when the reader has taken the items that it was given. The feed waits for a reader only while the reader
   * catches up.
   */
  readonly ready: () => Promise<void>
}

/** The reads of the journal that a reader needs while it catches up. */
export interface JournalReads {
  readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /** Returns the next revisions after a place, of one account or of all. Returns an empty list if there are none. */
  readonly pageAfter: (
    after: FeedPlace,
    userToken: string | undefined
  ) => Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerFailure | NotCurrent>
}

const unavailable: FeedItem = { kind: "end", reason: "unavailable" }

/** Serves one reader of the feed: first what follows the reader's place, and then new revisions as they come. */
export class CatchUp {
  private readonly reads: JournalReads
  private readonly tail: JournalTail
  private readonly request: FeedRequest
  private readonly subscriber: Subscriber<FeedItem>

  constructor(reads: JournalReads, tail: JournalTail, request: FeedRequest, subscriber: Subscriber<FeedItem>) {
    this.reads = reads
    this.tail = tail
    this.request = request
    this.subscriber = subscriber
  }

  /** Gives the reader its place, then the later revisions of the journal, and then new revisions as they come. */
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
        // Revisions that are not in memory are read from the journal. If the journal has none either, the reader has
        // everything that is older than the revisions in memory.
        const { floor } = this.tail.recent
        const known = this.tail.recent.after(cursor, userToken)
        const revisions = known ?? (yield* this.reads.pageAfter(cursor, userToken))
        const last = revisions.at(-1)
        if (last === undefined && !isAfter(floor, cursor)) return this.join(cursor)
        if (last === undefined) cursor = floor
        else {
          // A page of the journal ends with a whole commit. A cursor at the last line would read the commit again.
          cursor = known === undefined ? behindCommit(last.place.sequence) : last.place
          yield* this.give(revisions)
        }
      }
    })
  }

  private give(revisions: ReadonlyArray<RevisionMessage>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const slice of slicesOf(revisions)) {
        this.subscriber.next({ kind: "applied", revisions: slice })
        yield* Effect.promise(this.request.ready)
      }
    })
  }

  /**
   * Passes new revisions on to the reader from now on. No revision is missed, because this runs in the same turn in
   * which nothing was left to read.
   */
  private join(cursor: FeedPlace): void {
    // The reader may be ahead of this edge, if another edge served the reader before.
    const isNew = ({ place }: RevisionMessage) => isAfter(place, cursor)
    const applied = this.tail.live(this.request.userToken).pipe(
      map((gathered): Gathered =>
        gathered[0] !== undefined && isNew(gathered[0]) ? gathered : gathered.filter(isNew)
      ),
      filter((gathered) => gathered.length > 0),
      map((revisions): FeedItem => ({ kind: "applied", revisions }))
    )
    this.subscriber.add(applied.subscribe(this.subscriber))
  }
}
