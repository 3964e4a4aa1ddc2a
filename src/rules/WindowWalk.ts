import { entryTotal } from "../account/Entry.ts"
import type { AppliedPurchase, Revision } from "../account/Revision.ts"
import { type Block, LongWindow } from "./LongWindow.ts"
import type { RevisionWalk } from "./RevisionWalk.ts"
import { isInScope, type Scope } from "./Rule.ts"
import { emptyTally, type RunningWindow, type Tally, tallyMinus, tallyOf, WindowState } from "./WindowState.ts"

/** The bounds of the window states of one user. Tests and simulations set lower bounds. */
export interface WindowBounds {
  /**
   * The most purchases in the window states of one user. Above this number, the window state with the most purchases
   * becomes a {@link LongWindow}.
   */
  readonly entriesOfUserMax: number
  /** A block of a long window ends with the revision that gives the block this number of entries. */
  readonly blockEntriesMin: number
}

export const windowBounds: WindowBounds = { entriesOfUserMax: 65_536, blockEntriesMin: 256 }

/** A list of times and cents, which takes 16 to 32 bytes an entry. */
class EntryList {
  length = 0
  private times = new Float64Array(4)
  private cents = new BigInt64Array(4)

  push(time: number, cents: bigint): void {
    if (this.length === this.times.length) {
      const { times, cents: amounts } = this
      this.times = new Float64Array(2 * times.length)
      this.times.set(times)
      this.cents = new BigInt64Array(2 * times.length)
      this.cents.set(amounts)
    }
    this.times[this.length] = time
    this.cents[this.length] = cents
    this.length += 1
  }

  /** Adds all entries to a window state, the last entry first. */
  addReversed(state: WindowState): void {
    for (let index = this.length - 1; index >= 0; index -= 1) {
      state.add(this.times[index] as number, this.cents[index] as bigint)
    }
  }
}

/** Collects the entries of one window from newer to older entries of the account. */
class WindowCollection {
  isComplete = false
  private readonly scope: Scope
  /** The window begins after this time; `-Infinity` for the window `ever`. */
  private readonly since: number
  private readonly blockEntriesMin: number
  /** The entries in the window, newest first; `undefined` if the window is long, or is the window `ever`. */
  private list: EntryList | undefined
  /** The blocks of the window, newest first. */
  private readonly blocks: Array<Block> = []
  /** The number of entries in the oldest block. If the number is 0, the next entry begins a block. */
  private inBlock = 0
  /** The tally of the collected entries, subtracted from nothing. */
  private tally: Tally = emptyTally

  constructor({ scope, since, isLong }: WalkedWindow, blockEntriesMin: number) {
    this.scope = scope
    this.since = since
    this.blockEntriesMin = blockEntriesMin
    if (since > Number.NEGATIVE_INFINITY && !isLong) this.list = new EntryList()
  }

  /** The number of entries in memory. */
  get entries(): number {
    return this.list?.length ?? 0
  }

  /**
   * Returns whether this collection has more entries in memory than another, or has as many entries in memory and begins
   * earlier.
   */
  isLongerThan(other: WindowCollection): boolean {
    return this.entries === other.entries ? this.since < other.since : this.entries > other.entries
  }

  /** Takes an entry of the revision at a sequence. No later entry of the account was stored before the time `least`. */
  take(entry: AppliedPurchase, sequence: number, least: number): void {
    if (entry.storedAt <= this.since) this.isComplete = true
    if (this.isComplete || !isInScope(this.scope, entry)) return
    if (this.inBlock === 0) this.blocks.push({ sequence, time: least, through: this.tally, ring: undefined })
    this.inBlock += 1
    const cents = entryTotal(entry)
    this.tally = tallyMinus(this.tally, tallyOf(cents))
    this.list?.push(least, cents)
  }

  /** Called after the last entry of a revision. */
  revisionEnded(): void {
    if (this.inBlock >= this.blockEntriesMin) this.inBlock = 0
  }

  /** Drops the entries, so that the window becomes a long window. */
  shorten(): void {
    this.list = undefined
  }

  /** Returns the window with all collected entries. */
  finished(): RunningWindow {
    const { scope, since, blockEntriesMin, list } = this
    if (since === Number.NEGATIVE_INFINITY) return WindowState.ofAll(tallyMinus(emptyTally, this.tally))
    if (list === undefined) {
      return new LongWindow({ scope, floor: since, blocks: this.blocks.toReversed(), blockEntriesMin })
    }
    const state = new WindowState(since)
    list.addReversed(state)
    return state
  }
}

/** A window that a walk collects. */
export interface WalkedWindow {
  readonly scope: Scope
  /** The window begins after this time; `-Infinity` for the window `ever`. */
  readonly since: number
  /** Whether the window becomes a long window, however few purchases it has. */
  readonly isLong: boolean
  /** Called at the end of the walk. */
  readonly keep: (window: RunningWindow) => void
}

/** What a walk through the entries of some windows needs. */
export interface WindowWalkParts {
  readonly windows: ReadonlyArray<WalkedWindow>
  /** The sequences of the newest revisions of the walk, newest first. */
  readonly start: ReadonlyArray<number>
  /** The number of purchases in the other window states of the user. */
  readonly entriesBeside: number
  readonly bounds: WindowBounds
}

/**
 * Makes the walk that collects some windows of one user together. Holds at most as many entries as the bounds allow,
 * and the entries of one revision.
 */
export const windowWalk = ({ windows, start, entriesBeside, bounds }: WindowWalkParts): RevisionWalk => {
  const collections = windows.map((window) => new WindowCollection(window, bounds.blockEntriesMin))
  let least = Number.POSITIVE_INFINITY

  const keepToBound = () => {
    let entries = collections.reduce((sum, collection) => sum + collection.entries, entriesBeside)
    while (entries > bounds.entriesOfUserMax) {
      const largest = collections.reduce((one, other) => (other.isLongerThan(one) ? other : one))
      if (largest.entries === 0) return
      entries -= largest.entries
      largest.shorten()
    }
  }

  return {
    start,
    after: 0,
    take: (sequence: number, { purchases }: Revision) => {
      for (const entry of purchases.toReversed()) {
        least = Math.min(least, entry.storedAt)
        for (const collection of collections) collection.take(entry, sequence, least)
      }
      for (const collection of collections) collection.revisionEnded()
      keepToBound()
      return collections.some(({ isComplete }) => !isComplete)
    },
    finish: () => {
      for (const [index, { keep }] of windows.entries()) keep((collections[index] as WindowCollection).finished())
    }
  }
}
