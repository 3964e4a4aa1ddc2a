import { revisionBefore, type PlacedRevision } from "../rules/Judgement.ts"
import { UserWindows } from "../rules/UserWindows.ts"
import { type WindowBounds, windowBounds } from "../rules/WindowWalk.ts"

/**
 * The most purchases in the window states of one judge. Each purchase in a window state takes 16 to 64 bytes. Above
 * this number of purchases, the states of the longest unused users are dropped. A dropped window state is loaded again
 * from the journal. {@link WindowBounds} bounds the purchases of one user.
 */
export const windowEntriesMax = 4_000_000

/** Keeps the window states of the users of one shard. */
export class WindowCache {
  private readonly entriesMax: number
  private readonly bounds: WindowBounds
  // A `Map` keeps the order in which its keys were set, so the longest unused user comes first.
  private readonly byUser = new Map<string, UserWindows>()
  private held = 0

  constructor(entriesMax: number, bounds: WindowBounds = windowBounds) {
    this.entriesMax = entriesMax
    this.bounds = bounds
  }

  /**
   * The memory of all window states, as a number of purchases. Each window state counts for somewhat more than its
   * purchases, because the state itself takes memory.
   */
  get entries(): number {
    return this.held
  }

  /**
   * Takes the window states of a user out of the cache. Returns empty states if the cached states do not end with the
   * user's revision before `placed`.
   */
  take(placed: PlacedRevision): UserWindows {
    const found = this.byUser.get(placed.userId)
    if (found !== undefined) {
      this.byUser.delete(placed.userId)
      this.held -= found.room
    }
    const before = revisionBefore(placed)
    return found?.through === before ? found : new UserWindows(before, this.bounds)
  }

  /**
   * Puts the window states of a user back. If all window states together exceed the bound, drops the states of the
   * longest unused users.
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
