import { measureMax } from "./Rule.ts"

/**
 * The running sum of cents and the running number of purchases in a window. A sum above {@link measureMax} counts as
 * {@link measureMax}. A sum may be below zero if reversed purchases are too old for the window, and the reversals are
 * in the window.
 */
export interface Running {
  readonly spent: number
  readonly count: number
}

/**
 * The sum of some entries of an account, in cents modulo 2^64, and the number of purchases among the entries. A tally
 * may be the difference of two tallies, so both numbers may be below zero.
 */
export interface Tally {
  readonly cents: bigint
  readonly count: number
}

/** The tally of no entries. */
export const emptyTally: Tally = { cents: 0n, count: 0 }

/** Returns the tally that is `change` more than `tally`. */
export const tallyPlus = (tally: Tally, change: Tally): Tally => ({
  cents: BigInt.asIntN(64, tally.cents + change.cents),
  count: tally.count + change.count
})

/** Returns the tally that is `change` less than `tally`. */
export const tallyMinus = (tally: Tally, change: Tally): Tally => ({
  cents: BigInt.asIntN(64, tally.cents - change.cents),
  count: tally.count - change.count
})

/** Returns the tally of one entry. The cents of a reversal are below zero, and a reversal does not count. */
export const tallyOf = (cents: bigint): Tally => ({ cents, count: cents < 0n ? 0 : 1 })

/** Returns the running measures of the entries of a tally. */
export const runningOf = ({ cents, count }: Tally): Running => ({ spent: boundedSum(cents), count })

/** What the window of a rule needs of the earlier purchases of one user, within one scope. */
export interface RunningWindow {
  /** The number of purchases that are held in memory. */
  readonly entries: number
  /** The memory of the window, in units of one purchase in a ring (16 bytes). */
  readonly room: number
  /** Returns whether the window can be measured from after the moment `cutoff`. */
  reaches(cutoff: number): boolean
  /** Returns the running measures of the window from after the time `cutoff` up to the newest added purchase. */
  runningSince(cutoff: number): Running
  /** Drops what is too old for a window after the time `cutoff`. */
  forget(cutoff: number): void
  /**
   * Adds a purchase in the scope of the window, or the reversal of such a purchase. The cents of a reversal are below
   * zero.
   */
  add(storedAt: number, cents: bigint): void
  /** Takes note of the time of a purchase of the account that is not in the scope of the window. */
  pass(storedAt: number): void
}

const roomMin = 4

/**
 * Returns a sum of cents as a number from the negative of {@link measureMax} to {@link measureMax}. A sum outside of
 * the range becomes the nearer end of the range.
 */
export const boundedSum = (cents: bigint): number => {
  if (cents > BigInt(measureMax)) return measureMax
  return cents < -BigInt(measureMax) ? -measureMax : Number(cents)
}

/**
 * Keeps the purchases of one user within one scope and one window: a ring buffer of times and cumulative cents, oldest
 * first. The ring also has reversals, with cents below zero. A reversal does not count as a purchase.
 *
 * The window of a purchase begins after the newest purchase of the account, in any scope, that is too old for the
 * window. The times of an account's purchases rise, but in ledgers of earlier versions the times may also fall. The
 * ring therefore has a least time for each purchase: the least of the purchase's own time and the times of all later
 * purchases. The least times in the ring never fall. A purchase is in the window if its least time is not too old.
 */
export class WindowState implements RunningWindow {
  /**
   * The ring has no purchases that were stored at or before the time `floor`. The window state cannot measure a window
   * that begins before `floor`.
   */
  private floor: number
  /** Whether the window is `ever`. No purchase leaves the window `ever`, so the state of this window needs no ring. */
  private readonly isEver: boolean
  private times = new Float64Array(roomMin)
  /**
   * For each purchase in the ring buffer: the sum of all purchases up to and including this purchase, in cents modulo
   * 2^64.
   */
  private sums = new BigInt64Array(roomMin)
  private first = 0
  private size = 0
  /**
   * The sum of all entries that were removed from the ring, modulo 2^64. `sumThrough` is the sum of all entries that
   * were ever added.
   */
  private sumBefore = 0n
  private sumThrough = 0n
  private countThrough = 0
  /**
   * The number of entries that were removed from the ring. The ring's oldest entry has this number, because entries are
   * numbered from 0.
   */
  private forgotten = 0
  /** The numbers of the reversals in the ring, oldest first; `undefined` before the first reversal. */
  private reversals: Array<number> | undefined

  /**
   * Makes an empty window state, which can measure windows that begin after the time `floor`, in milliseconds since
   * 1970. If `floor` is `-Infinity`, makes the state of the window `ever`.
   */
  constructor(floor: number) {
    this.floor = floor
    this.isEver = floor === Number.NEGATIVE_INFINITY
  }

  /** Makes the state of the window `ever`, given the tally of all entries in the scope. */
  static ofAll({ cents, count }: Tally): WindowState {
    const state = new WindowState(Number.NEGATIVE_INFINITY)
    state.sumThrough = cents
    state.countThrough = count
    return state
  }

  /** The number of purchases in the ring. */
  get entries(): number {
    return this.size
  }

  /** The number of purchases that the ring has room for. */
  get room(): number {
    return this.times.length
  }

  /** The least time of the newest purchase in the ring; `undefined` for an empty ring. */
  get newestTime(): number | undefined {
    return this.size === 0 ? undefined : this.times[this.slot(this.size - 1)]
  }

  reaches(cutoff: number): boolean {
    return this.isEver ? cutoff === this.floor : cutoff >= this.floor
  }

  runningSince(cutoff: number): Running {
    return runningOf(this.tallySince(cutoff))
  }

  /** Returns the tally of the window from after the time `cutoff` up to the newest added purchase. */
  tallySince(cutoff: number): Tally {
    if (!this.reaches(cutoff)) throw new RangeError("The window begins before the purchases that were kept.")
    if (this.isEver) return { cents: this.sumThrough, count: this.countThrough }
    const tooOld = this.tooOld(cutoff)
    const before = tooOld === 0 ? this.sumBefore : (this.sums[this.slot(tooOld - 1)] as bigint)
    const reversals = (this.reversals?.length ?? 0) - this.reversalsBefore(this.forgotten + tooOld)
    return { cents: BigInt.asIntN(64, this.sumThrough - before), count: this.size - tooOld - reversals }
  }

  forget(cutoff: number): void {
    if (this.isEver || cutoff <= this.floor) return
    this.floor = cutoff
    const tooOld = this.tooOld(cutoff)
    if (tooOld === 0) return
    this.sumBefore = this.sums[this.slot(tooOld - 1)] as bigint
    this.first = this.slot(tooOld)
    this.size -= tooOld
    this.forgotten += tooOld
    this.reversals?.splice(0, this.reversalsBefore(this.forgotten))
    // A ring with much free room is made smaller.
    while (this.times.length > roomMin && this.size * 4 <= this.times.length) this.resize(this.times.length / 2)
  }

  add(storedAt: number, cents: bigint): void {
    const isReversal = cents < 0n
    this.sumThrough = BigInt.asIntN(64, this.sumThrough + cents)
    if (!isReversal) this.countThrough += 1
    if (this.isEver) return
    this.pass(storedAt)
    if (isReversal) (this.reversals ??= []).push(this.forgotten + this.size)
    if (this.size === this.times.length) this.resize(2 * this.size)
    const last = this.slot(this.size)
    this.times[last] = storedAt
    this.sums[last] = this.sumThrough
    this.size += 1
  }

  /** Lowers the least times in the ring for a purchase of the account that is not in the scope of the window state. */
  pass(storedAt: number): void {
    for (let index = this.size - 1; index >= 0; index -= 1) {
      if ((this.times[this.slot(index)] as number) <= storedAt) return
      this.times[this.slot(index)] = storedAt
    }
  }

  /** Returns how many of the reversals in the ring have a lower number than `number`. */
  private reversalsBefore(number: number): number {
    let low = 0
    for (let high = this.reversals?.length ?? 0; low < high;) {
      const middle = (low + high) >>> 1
      if ((this.reversals?.[middle] as number) >= number) high = middle
      else low = middle + 1
    }
    return low
  }

  private slot(index: number): number {
    return (this.first + index) & (this.times.length - 1)
  }

  /** Returns the number of entries in the ring that are too old for a window after the time `cutoff`. */
  private tooOld(cutoff: number): number {
    // Usually few entries are too old. The search therefore starts at the oldest entry, doubles its steps, and then
    // halves the range.
    let low = 0
    let high = 1
    while (high <= this.size && (this.times[this.slot(high - 1)] as number) <= cutoff) {
      low = high
      high *= 2
    }
    high = Math.min(high - 1, this.size)
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.times[this.slot(middle)] as number) <= cutoff) low = middle + 1
      else high = middle
    }
    return low
  }

  private resize(room: number): void {
    const { times, sums, size } = this
    const newTimes = new Float64Array(room)
    const newSums = new BigInt64Array(room)
    for (let index = 0; index < size; index += 1) {
      newTimes[index] = times[this.slot(index)] as number
      newSums[index] = sums[this.slot(index)] as bigint
    }
    this.times = newTimes
    this.sums = newSums
    this.first = 0
  }
}
