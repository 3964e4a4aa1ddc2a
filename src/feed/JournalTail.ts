import { Duration } from "effect"
import { asyncScheduler, bufferTime, filter, Observable, type SchedulerLike, Subject } from "rxjs"
import type { RevisionMessage } from "../nats/CommitStream.ts"
import { RecentRevisions } from "./RecentRevisions.ts"

/**
 * The time in which revisions are gathered for readers. A few large writes to many readers take less work than many
 * small writes.
 */
const gatherTime = Duration.millis(50)
/** The number of gathered revisions at which they are passed on at once. */
const gatheredMax = 256

/** Revisions in the order of the journal. All readers share the array. */
export type Gathered = ReadonlyArray<RevisionMessage>

/** Gathers revisions that come one by one into arrays. */
export const gather = (revisions: Observable<RevisionMessage>, scheduler: SchedulerLike = asyncScheduler) =>
  revisions.pipe(
    bufferTime(Duration.toMillis(gatherTime), null, gatheredMax, scheduler),
    filter((gathered) => gathered.length > 0)
  )

/** Follows the end of the journal as it grows, for all readers of an edge. */
export class JournalTail {
  readonly recent: RecentRevisions
  private readonly heard = new Subject<RevisionMessage>()
  private readonly ofAll = new Subject<Gathered>()
  private readonly ofUsers = new Map<string, Subject<Gathered>>()

  /** Makes a tail that begins after `end`, the last sequence of the journal. */
  constructor(end: number) {
    this.recent = new RecentRevisions(end)
    gather(this.heard).subscribe((gathered) => this.hand(gathered))
  }

  /** Takes the next revision of the journal. */
  hear(revision: RevisionMessage): void {
    this.heard.next(revision)
  }

  /** Ends the gathering of revisions. */
  close(): void {
    this.heard.complete()
  }

  /** Returns the revisions that are passed on from the subscription on, of one account or of all. */
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
    for (const [userToken, own] of Map.groupBy(gathered, (revision) => revision.userToken)) {
      this.ofUsers.get(userToken)?.next(own)
    }
  }
}
