import { revisionBefore, type PlacedRevision } from "../rules/Judgement.ts"
import { UserWindows } from "../rules/UserWindows.ts"

/**
 * The most purchases in the window states of one process, which take 16 to 64 bytes each. Above this number of
 * purchases, the states of the longest unused users are dropped. A dropped state is read from the journal again.
 */
export const windowEntriesMax = 4_000_000

/**
 * The window states of the users of one shard. If the states of one user alone exceed the bound, they are dropped, and
 * each revision of the user reads its whole window again.
 */
export class WindowCache {
  private readonly entriesMax: number
  // A `Map` keeps the order in which its keys were set, so the longest unused user comes first.
  private readonly byUser = new Map<string, UserWindows>()
  private held = 0

  constructor(entriesMax: number) {
    this.entriesMax = entriesMax
  }

  /**
   * The memory of all window states, as a number of purchases. Each state counts as some purchases more than it has.
   */
  get entries(): number {
    return this.held
  }

  /**
   * Takes the window states of a user out of the cache. Returns empty states if the cached states do not end with the
   * user's revision before this one.
   */
  take(placed: PlacedRevision): UserWindows {
    const found = this.byUser.get(placed.userId)
    if (found !== undefined) {
      this.byUser.delete(placed.userId)
      this.held -= found.room
    }
    const before = revisionBefore(placed)
    return found?.through === before ? found : new UserWindows(before)
  }

  /**
   * Puts the window states of a user back. If the cache is then too large, drops the states of the longest unused
   * users.
   */
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
