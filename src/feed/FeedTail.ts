import { Duration } from "effect"
import { asyncScheduler, bufferTime, filter, Observable, type SchedulerLike, Subject } from "rxjs"
import type { FeedMessage } from "../nats/FollowedStream.ts"
import { RecentMessages } from "./RecentMessages.ts"

/**
 * The time for which a feed gathers messages before it sends them to readers. A few large writes to many readers take
 * less work than many small writes.
 */
const gatherTime = Duration.millis(50)
/** The number of gathered messages at which a feed sends all gathered messages without waiting. */
const gatheredMax = 256

/** Gathered messages in the order of the stream. All readers of a feed share one array of gathered messages. */
export type Gathered = ReadonlyArray<FeedMessage>

/** Gathers single messages into arrays. */
export const gather = (messages: Observable<FeedMessage>, scheduler: SchedulerLike = asyncScheduler) =>
  messages.pipe(
    bufferTime(Duration.toMillis(gatherTime), null, gatheredMax, scheduler),
    filter((gathered) => gathered.length > 0)
  )

/** Takes the new messages of a stream, for all readers of an edge. */
export class FeedTail {
  readonly recent: RecentMessages
  private readonly heard = new Subject<FeedMessage>()
  private readonly ofAll = new Subject<Gathered>()
  private readonly ofUsers = new Map<string, Subject<Gathered>>()

  /** Makes a tail that begins after `end`, the last sequence of the stream. */
  constructor(end: number) {
    this.recent = new RecentMessages(end)
    gather(this.heard).subscribe((gathered) => this.hand(gathered))
  }

  /** Takes the next message of the stream. */
  hear(message: FeedMessage): void {
    this.heard.next(message)
  }

  /** Ends the gathering of messages. */
  close(): void {
    this.heard.complete()
  }

  /** Returns an observable of the messages that come after its subscription, of one user or of all users. */
  live(userToken?: string): Observable<Gathered> {
    if (userToken === undefined) return this.ofAll
    return new Observable((reader) => {
      const own = this.ofUsers.get(userToken) ?? new Subject<Gathered>()
      this.ofUsers.set(userToken, own)
      const reading = own.subscribe(reader)
      return () => {
        reading.unsubscribe()
        if (!own.observed) this.ofUsers.delete(userToken)
      }
    })
  }

  private hand(gathered: Gathered): void {
    this.recent.push(gathered)
    this.ofAll.next(gathered)
    if (this.ofUsers.size === 0) return
    for (const [userToken, own] of Map.groupBy(gathered, (message) => message.userToken)) {
      this.ofUsers.get(userToken)?.next(own)
    }
  }
}
