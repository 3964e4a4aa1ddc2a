import { entryTotal } from "../account/Entry.ts"
import type { AppliedPurchase } from "../account/Revision.ts"
import { LongWindow } from "./LongWindow.ts"
import type { RevisionWalk } from "./RevisionWalk.ts"
import { isInScope, type Scope } from "./Rule.ts"
import type { WindowCutoff } from "./RuleWindow.ts"
import type { RunningWindow } from "./WindowState.ts"
import { type WindowBounds, windowBounds, windowWalk } from "./WindowWalk.ts"

/** A window state that the judgement of a revision needs. */
export interface WindowNeed {
  readonly key: string
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  /** The moments after which the windows of the revision's purchases begin. */
  readonly cutoffs: ReadonlyArray<number>
}

interface HeldState {
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  readonly state: RunningWindow
}

/**
 * The memory of a window state without its ring of purchases, as a number of purchases that would take the same memory.
 */
const roomOfState = 16

/**
 * Returns the key of a window state. Window states of one user have the same key exactly if they have the same scope
 * and the same window.
 */
export const stateKey = (scope: Scope, windowKey: string): string =>
  scope.kind === "everything" ? `${windowKey}|` : `${windowKey}|${scope.kind}|${scope.name}`

const addTo = (state: RunningWindow, scope: Scope, purchase: AppliedPurchase): void => {
  if (isInScope(scope, purchase)) state.add(purchase.storedAt, entryTotal(purchase))
  else state.pass(purchase.storedAt)
}

const isReached = (state: RunningWindow | undefined, { cutoffs }: WindowNeed): boolean =>
  state !== undefined && cutoffs.every((cutoff) => state.reaches(cutoff))

/**
 * Holds the window states of one user. The caller of {@link Judgement} keeps the window states between two revisions of
 * the user, and may drop the states at any time. The caller loads dropped window states again from the purchases of the
 * account.
 */
export class UserWindows {
  private sequence: number
  private readonly bounds: WindowBounds
  private readonly held = new Map<string, HeldState>()
  /** The keys of the window states that were dropped, and that become long windows when they are loaded again. */
  private readonly dropped = new Set<string>()

  /**
   * Makes empty window states for a user. `sequence` is the sequence of the commit with the user's newest revision; 0
   * for a user without a revision.
   */
  constructor(sequence: number, bounds: WindowBounds = windowBounds) {
    this.sequence = sequence
    this.bounds = bounds
  }

  /** The sequence of the commit with the newest revision whose purchases were added to the window states. */
  get through(): number {
    return this.sequence
  }

  /** The number of purchases in all window states of the user. */
  get entries(): number {
    let entries = 0
    for (const { state } of this.held.values()) entries += state.entries
    return entries
  }

  /**
   * The memory of all window states of the user, in units of one purchase (16 bytes); 0 if the user has no window
   * state.
   */
  get room(): number {
    let room = 0
    for (const { state } of this.held.values()) room += state.room + roomOfState
    return room
  }

  /** Returns whether the window states are in memory that some needs name. */
  has(needs: ReadonlyArray<WindowNeed>): boolean {
    return needs.every((need) => isReached(this.held.get(need.key)?.state, need) && this.blockWalks(need).length === 0)
  }

  /**
   * Returns the walks that bring what is missing of some needed window states. `previous` names the user's revisions,
   * newest first. The caller makes the walks, and asks once more. A window state that became long needs further walks.
   */
  walks(needs: ReadonlyArray<WindowNeed>, previous: ReadonlyArray<number>): ReadonlyArray<RevisionWalk> {
    const missing = needs.filter((need) => !isReached(this.held.get(need.key)?.state, need))
    if (missing.length === 0) return needs.flatMap((need) => this.blockWalks(need))
    for (const { key } of missing) this.held.delete(key)
    const windows = missing.map(({ key, scope, cutoff, cutoffs }) => ({
      scope,
      since: Math.min(...cutoffs),
      isLong: this.dropped.delete(key),
      keep: (state: RunningWindow) => void this.held.set(key, { scope, cutoff, state })
    }))
    return [windowWalk({ windows, start: previous, entriesBeside: this.entries, bounds: this.bounds })]
  }

  /** Returns the window state with a key. Throws an Error if the state was not loaded. */
  state(key: string): RunningWindow {
    const held = this.held.get(key)
    if (held === undefined) throw new Error(`The window state ${key} was not loaded.`)
    return held.state
  }

  /** Adds a purchase or a reversal to all window states of the user. */
  add(purchase: AppliedPurchase): void {
    for (const { scope, state } of this.held.values()) addTo(state, scope, purchase)
  }

  /**
   * Called when a revision is judged. Drops a window state if its scope has a purchase of the revision, and no rule
   * used the window state. No rule uses a window state for a reversal. Removes purchases that are too old from all
   * other window states.
   */
  settle(sequence: number, purchases: ReadonlyArray<AppliedPurchase>, used: ReadonlySet<string>): void {
    this.sequence = sequence
    const last = purchases.at(-1)
    if (last === undefined) return
    for (const [key, { scope, state, cutoff }] of this.held) {
      const isBought = (entry: AppliedPurchase) => entry.reversal === undefined && isInScope(scope, entry)
      if (!used.has(key) && purchases.some(isBought)) this.held.delete(key)
      else {
        state.forget(cutoff(last.storedAt))
        if (state instanceof LongWindow) state.settle(sequence)
      }
    }
    this.keepToBound()
  }

  private blockWalks({ key, cutoffs }: WindowNeed): ReadonlyArray<RevisionWalk> {
    const state = this.held.get(key)?.state
    return state instanceof LongWindow ? state.walks(cutoffs) : []
  }

  /**
   * Drops the largest window states until the others have at most as many purchases as the bounds allow. A dropped
   * window state becomes a long window when it is loaded again.
   */
  private keepToBound(): void {
    for (let { entries } = this; entries > this.bounds.entriesOfUserMax;) {
      const short = [...this.held].filter(([, { state }]) => !(state instanceof LongWindow) && state.entries > 0)
      if (short.length === 0) return
      const [key, { state }] = short.reduce((one, other) =>
        other[1].state.entries > one[1].state.entries ? other : one
      )
      this.held.delete(key)
      this.dropped.add(key)
      entries -= state.entries
    }
  }
}
