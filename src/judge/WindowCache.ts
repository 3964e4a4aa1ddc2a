import { revisionBefore, type PlacedRevision } from "../rules/Judgement.ts"
import { UserWindows } from "../rules/UserWindows.ts"

/**
 * The most purchases in the window states of one process, which take 16 to 64 bytes each. Above that number the states
 * of the longest unused users are dropped. A dropped state is read from the journal again.
 */
export const windowEntriesMax = 4_000_000

/**
 * The window states of the users of one shard. If the states of one user alone exceed the bound, they are dropped, and
 * each revision of the user reads its whole window again.
 */
export class WindowCache {
  private readonly entriesMax: number
  // A map keeps the order in which its keys were set, so the longest unused user comes first.
  private readonly byUser = new Map<string, UserWindows>()
  private held = 0

  constructor(entriesMax: number) {
    this.entriesMax = entriesMax
  }

  /** The number of purchases that take memory. A state counts as some purchases more. */
  get entries(): number {
    return this.held
  }

  /** Takes the states of a user out of the cache. Returns empty states if it has none of the revision before. */
  take(placed: PlacedRevision): UserWindows {
    const found = this.byUser.get(placed.userId)
    if (found !== undefined) {
      this.byUser.delete(placed.userId)
      this.held -= found.room
    }
    const before = revisionBefore(placed)
    return found?.through === before ? found : new UserWindows(before)
  }

  /** Puts the states of a user back, and drops the states of other users if there are too many. */
  put(userId: string, windows: UserWindows): void {
    if (windows.room === 0) return
    this.byUser.set(userId, windows)
    this.held += windows.room
    for (const [user, { room }] of this.byUser) {
      if (this.held <= this.entriesMax) return
      this.byUser.delete(user)
      this.held -= room
    }
  }
}
