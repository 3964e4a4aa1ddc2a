import { entryTotal } from "../account/Entry.ts"
import type { RevisionWalk } from "./RevisionWalk.ts"
import { isInScope, type Scope } from "./Rule.ts"
import {
  emptyTally,
  type Running,
  type RunningWindow,
  runningOf,
  type Tally,
  tallyMinus,
  tallyPlus,
  WindowState
} from "./WindowState.ts"

/**
 * A part of a long window: the entries in the scope of at least one revision. A block ends with a revision, and begins
 * after the last revision of the block before it.
 */
export interface Block {
  /** The sequence of the commit with the block's last revision. */
  readonly sequence: number
  /** The least of the time of the block's newest entry and the times of all later entries of the account. */
  time: number
  /** The tally of all entries up to and including the block. All blocks of a window count from the same entry. */
  readonly through: Tally
  /** The entries of the block; `undefined` while they are not in memory. */
  ring: WindowState | undefined
}

/** The memory of a block without its ring, as a number of purchases that would take the same memory. */
const roomOfBlock = 8

/** What a long window consists of when it is made. */
export interface LongWindowParts {
  readonly scope: Scope
  /** The window cannot be measured from before the time `floor`. */
  readonly floor: number
  /** The blocks, oldest first. The newest block ends with the account's newest entry in the scope. */
  readonly blocks: ReadonlyArray<Block>
  /** A block ends with the revision that gives the block this number of entries. */
  readonly blockEntriesMin: number
}

/**
 * The window of a user with very many purchases. A long window keeps a tally for each block of entries instead of the
 * entries. In memory are only the newest entries, which are in no block yet, and the entries of the oldest block. The
 * entries of another block are read from the journal when the window begins within the block.
 */
export class LongWindow implements RunningWindow {
  /** The blocks have no entries that were stored at or before this time. */
  private readonly loadedSince: number
  private readonly blockEntriesMin: number
  private readonly scope: Scope
  private floor: number
  /** The sequence of the newest block that was dropped; 0 if no block was dropped yet. */
  private dropped = 0
  private readonly blocks: Array<Block>
  /** The blocks whose entries are in memory. */
  private read: ReadonlyArray<Block> = []
  /** The entries behind the newest block. */
  private head: WindowState
  /** The tally of all entries of all blocks. */
  private inBlocks: Tally

  constructor({ scope, floor, blocks, blockEntriesMin }: LongWindowParts) {
    this.scope = scope
    this.loadedSince = floor
    this.floor = floor
    this.blocks = [...blocks]
    this.head = new WindowState(floor)
    this.inBlocks = blocks.at(-1)?.through ?? emptyTally
    this.blockEntriesMin = blockEntriesMin
  }

  get entries(): number {
    return this.read.reduce((entries, { ring }) => entries + (ring?.entries ?? 0), this.head.entries)
  }

  get room(): number {
    const room = this.head.room + roomOfBlock * this.blocks.length
    return this.read.reduce((sum, { ring }) => sum + (ring?.room ?? 0), room)
  }

  reaches(cutoff: number): boolean {
    return cutoff >= this.floor
  }

  /**
   * Returns the walks that read the blocks in which windows after the given moments begin. Leaves out the blocks whose
   * entries are in memory.
   */
  walks(cutoffs: ReadonlyArray<number>): ReadonlyArray<RevisionWalk> {
    const indexes = new Set(cutoffs.map((cutoff) => this.blockAt(cutoff)))
    return [...indexes].flatMap((index) => {
      const block = this.blocks[index]
      if (block === undefined || block.ring !== undefined) return []
      return [this.walkOf(block, this.blocks[index - 1]?.sequence ?? this.dropped)]
    })
  }

  runningSince(cutoff: number): Running {
    if (!this.reaches(cutoff)) throw new RangeError("The window begins before the blocks that were kept.")
    const block = this.blocks[this.blockAt(cutoff)]
    if (block === undefined) return this.head.runningSince(cutoff)
    if (block.ring === undefined) throw new Error(`The block at ${block.sequence} was not read.`)
    const later = tallyPlus(tallyMinus(this.inBlocks, block.through), this.head.tallySince(this.floor))
    return runningOf(tallyPlus(later, block.ring.tallySince(cutoff)))
  }

  forget(cutoff: number): void {
    if (cutoff <= this.floor) return
    this.floor = cutoff
    this.head.forget(cutoff)
    this.dropped = this.blocks.splice(0, this.blockAt(cutoff)).at(-1)?.sequence ?? this.dropped
  }

  add(storedAt: number, cents: bigint): void {
    this.pass(storedAt)
    this.head.add(storedAt, cents)
  }

  /** Lowers the times of the newer blocks and of the newest entries for an entry that was stored earlier. */
  pass(storedAt: number): void {
    this.head.pass(storedAt)
    // The entries of a block need no lower times, because the time of the block tells when they are too old.
    for (let index = this.blocks.length - 1; index >= 0; index -= 1) {
      const block = this.blocks[index] as Block
      if (block.time <= storedAt) return
      block.time = storedAt
    }
  }

  /**
   * Called when all entries of the revision at a sequence are added. Makes a block of the newest entries if they are
   * many enough. Drops the entries of all blocks from memory, except the entries of the oldest block.
   */
  settle(sequence: number): void {
    for (const block of this.read) if (block !== this.blocks[0]) block.ring = undefined
    this.read = this.read.filter(({ ring }) => ring !== undefined)
    const { newestTime, entries } = this.head
    if (newestTime === undefined || entries < this.blockEntriesMin) return
    this.inBlocks = tallyPlus(this.inBlocks, this.head.tallySince(this.floor))
    this.blocks.push({ sequence, time: newestTime, through: this.inBlocks, ring: undefined })
    this.head = new WindowState(this.floor)
  }

  /** Returns the index of the oldest block with an entry that was stored after the moment `cutoff`. */
  private blockAt(cutoff: number): number {
    let low = 0
    for (let high = this.blocks.length; low < high;) {
      const middle = (low + high) >>> 1
      if ((this.blocks[middle] as Block).time <= cutoff) low = middle + 1
      else high = middle
    }
    return low
  }

  private walkOf(block: Block, after: number): RevisionWalk {
    const newestFirst: Array<readonly [time: number, cents: bigint]> = []
    let least = Number.POSITIVE_INFINITY
    return {
      start: [block.sequence],
      after,
      take: (_sequence, { purchases }) => {
        for (const entry of purchases.toReversed()) {
          if (entry.storedAt <= this.loadedSince) return false
          least = Math.min(least, entry.storedAt)
          if (isInScope(this.scope, entry)) newestFirst.push([least, entryTotal(entry)])
        }
        return true
      },
      finish: () => {
        const ring = new WindowState(this.floor)
        for (const [time, cents] of newestFirst.toReversed()) ring.add(time, cents)
        block.ring = ring
        this.read = [...this.read, block]
      }
    }
  }
}
