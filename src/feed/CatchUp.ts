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
  /** The account whose revisions are wanted. Without it, those of all accounts are. */
  readonly userToken?: string
  /** The place after which to go on, as the reader gave it. Without it, the feed begins now. */
  readonly lastEventId?: string
  /** Resolves when the reader has taken the items that it was given. Only a reader that catches up is waited for. */
  readonly ready: () => Promise<void>
}

/** The reads of the journal that catching up needs. */
export interface JournalReads {
  readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /** Returns the next revisions after a place, of one account or of all; an empty list if there are none. */
  readonly pageAfter: (
    after: FeedPlace,
    userToken: string | undefined
  ) => Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerFailure | NotCurrent>
}

const unavailable: FeedItem = { kind: "end", reason: "unavailable" }

/** One reader of the feed, from its place on to the tail of the journal. */
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

  /** Gives the reader its place, then the revisions after it from the journal, and then the tail as it grows. */
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
        // Revisions that are not in memory are read. If there are none, the reader has everything below the floor.
        const { floor } = this.tail.recent
        const known = this.tail.recent.after(cursor, userToken)
        const revisions = known ?? (yield* this.reads.pageAfter(cursor, userToken))
        const last = revisions.at(-1)
        if (last === undefined && !isAfter(floor, cursor)) return this.join(cursor)
        if (last === undefined) cursor = floor
        else {
          // A page ends with a whole commit. Behind its last line the commit would be read again.
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

  /** Hands on the tail from now on. It is called in the turn in which nothing was left, so that nothing comes between. */
  private join(cursor: FeedPlace): void {
    // A reader that was served by another edge before may be ahead of this one.
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
