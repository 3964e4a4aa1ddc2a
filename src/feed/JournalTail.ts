import { asyncScheduler, bufferTime, filter, Observable, type SchedulerLike, Subject } from "rxjs"
import type { RevisionMessage } from "../nats/CommitStream.ts"
import { RecentRevisions } from "./RecentRevisions.ts"

/** Revisions are handed to readers together this often: to write to many readers costs by the write, not by the byte. */
const gatherMilliseconds = 50
/** With so many together they are handed on at once. */
const gatheredMax = 256

/** Some revisions in the order of the journal. All readers of the same get the same array. */
export type Gathered = ReadonlyArray<RevisionMessage>

/** Gathers what comes one by one. */
export const gather = (revisions: Observable<RevisionMessage>, scheduler: SchedulerLike = asyncScheduler) =>
  revisions.pipe(
    bufferTime(gatherMilliseconds, null, gatheredMax, scheduler),
    filter((gathered) => gathered.length > 0)
  )

/** The end of the journal as it grows, shared by all readers of an edge. */
export class JournalTail {
  readonly recent: RecentRevisions
  private readonly heard = new Subject<RevisionMessage>()
  private readonly ofAll = new Subject<Gathered>()
  private readonly ofUsers = new Map<string, Subject<Gathered>>()

  /** `end`: where it begins, the last sequence of the journal. */
  constructor(end: number) {
    this.recent = new RecentRevisions(end)
    gather(this.heard).subscribe((gathered) => this.hand(gathered))
  }

  /** Takes the next revision. */
  hear(revision: RevisionMessage): void {
    this.heard.next(revision)
  }

  /** No more comes. */
  close(): void {
    this.heard.complete()
  }

  /** What is handed on from now, of one account or of all. */
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
