import { measureMax } from "./Rule.ts"

/** A running sum of cents, and a running number of purchases. A sum of {@link measureMax} or more is that. */
export interface Running {
  readonly spent: number
  readonly count: number
}

const roomMin = 4

/** Returns a sum as a number, cut off at {@link measureMax}. */
export const boundedSum = (cents: bigint): number => (cents > BigInt(measureMax) ? measureMax : Number(cents))

/**
 * The purchases of one user within one scope and one window: a ring of times and cumulative cents, oldest first.
 *
 * The window of a purchase begins behind the newest purchase of the account, of whatever scope, that is too old. The times
 * of an account rise, but those of older ledgers may fall. Therefore the ring has the least of each purchase's time and all
 * times after it. These rise, and a purchase is in the window if its least time is not too old.
 */
export class WindowState {
  /** Purchases that were too old for this moment are not in the ring. A window that reaches further back cannot be told. */
  private floor: number
  /** The window of everything before has no end that moves, and needs no ring. */
  private readonly isEver: boolean
  private times = new Float64Array(roomMin)
  /** The sum of all cents up to and with a purchase, modulo 2^64. */
  private sums = new BigInt64Array(roomMin)
  private first = 0
  private size = 0
  /** The sum of everything before the ring, and of everything that came, modulo 2^64. */
  private sumBefore = 0n
  private sumThrough = 0n
  private countThrough = 0

  /**
   * Makes the state of an account whose purchases are all too old for `floor`, in milliseconds since 1970. With
   * `-Infinity` it is the state of everything before.
   */
  constructor(floor: number) {
    this.floor = floor
    this.isEver = floor === Number.NEGATIVE_INFINITY
  }

  /** The number of purchases that take memory. */
  get entries(): number {
    return this.size
  }

  /** Whether the state can tell a window that begins after this moment. */
  reaches(cutoff: number): boolean {
    return this.isEver ? cutoff === this.floor : cutoff >= this.floor
  }

  /** Returns the measure of the window that begins after `cutoff`, and ends with the newest purchase that was added. */
  runningSince(cutoff: number): Running {
    if (!this.reaches(cutoff)) throw new RangeError("The window begins before the purchases that were kept.")
    if (this.isEver) return { spent: boundedSum(BigInt.asUintN(64, this.sumThrough)), count: this.countThrough }
    const tooOld = this.tooOld(cutoff)
    const before = tooOld === 0 ? this.sumBefore : (this.sums[this.slot(tooOld - 1)] as bigint)
    return { spent: boundedSum(BigInt.asUintN(64, this.sumThrough - before)), count: this.size - tooOld }
  }

  /** Forgets the purchases that are too old for a moment. */
  forget(cutoff: number): void {
    if (this.isEver || cutoff <= this.floor) return
    this.floor = cutoff
    const tooOld = this.tooOld(cutoff)
    if (tooOld === 0) return
    this.sumBefore = this.sums[this.slot(tooOld - 1)] as bigint
    this.first = this.slot(tooOld)
    this.size -= tooOld
  }

  /** Adds a purchase of the scope. */
  add(storedAt: number, cents: bigint): void {
    this.sumThrough = BigInt.asIntN(64, this.sumThrough + cents)
    this.countThrough += 1
    if (this.isEver) return
    this.pass(storedAt)
    if (this.size === this.times.length) this.grow()
    const last = this.slot(this.size)
    this.times[last] = storedAt
    this.sums[last] = this.sumThrough
    this.size += 1
  }

  /** Takes note of a purchase of the account that is not of the scope. */
  pass(storedAt: number): void {
    for (let index = this.size - 1; index >= 0; index -= 1) {
      if ((this.times[this.slot(index)] as number) <= storedAt) return
      this.times[this.slot(index)] = storedAt
    }
  }

  private slot(index: number): number {
    return (this.first + index) & (this.times.length - 1)
  }

  /** Returns the number of purchases in the ring that are too old for a moment. */
  private tooOld(cutoff: number): number {
    // Of a window that moves on, few are too old: they are looked at one by one, and doubling finds the rest.
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

  private grow(): void {
    const { times, sums, first, size } = this
    this.times = new Float64Array(2 * size)
    this.sums = new BigInt64Array(2 * size)
    this.times.set(times.subarray(first))
    this.times.set(times.subarray(0, first), size - first)
    this.sums.set(sums.subarray(first))
    this.sums.set(sums.subarray(0, first), size - first)
    this.first = 0
  }
}
