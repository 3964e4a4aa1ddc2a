import type { SealMark, SealMarks } from "../account/SealMarks.ts"
import type { EntryPlace, HistoryRange } from "./HistoryRange.ts"

/** If a round of guesses leaves more than this share of the revisions in the bracket, the round is a miss. */
const shareLeftMax = 1 / 4
/**
 * The number of misses after which the first rounds cut the bracket in quarters. After the first cuts, each further
 * miss leads to cuts.
 */
const missesAtFirstMax = 2
/** The number of rounds that cut the bracket in quarters after misses. */
const cutsAfterMisses = 2
/** The factor by which the distance between the guesses of a round grows after a miss. */
const asideGrowth = 4

/** A revision at one end of the bracket, with the number and time of one of its entries. */
interface Bound extends EntryPlace {
  /** The number of the revision, from 1, among the revisions that applied something. */
  readonly index: number
}

const between = (low: number, high: number, wanted: number): number =>
  high > low ? Math.min(1, Math.max(0, (wanted - low) / (high - low))) : 0.5

/**
 * The bracket of a search: the revisions at one of which a page begins. Revisions are numbered from 1, oldest first.
 * The class reads nothing: the caller reads the revisions that `probes` names, and passes each revision to `take`.
 *
 * In the order `newest` the page begins at the newest revision whose oldest entry is not too new. In the order `oldest`
 * the page begins at the oldest revision whose newest entry is not too old. The search guesses the number of the
 * revision from the times and numbers at the ends of the bracket. After rounds of guesses that were misses, two rounds
 * cut the bracket in quarters. The number of rounds of a search thus grows at most with the logarithm of the number of
 * revisions. A search takes few rounds if the purchases of the account are spread evenly in time, or if the first
 * bracket is small.
 */
export class RevisionBracket {
  private readonly range: HistoryRange
  private readonly slack: number
  private low: Bound
  private high: Bound
  /** The distance of the outer two guesses of a round from the middle guess. The distance grows after each miss. */
  private aside = 1
  /** The number of further misses until the next rounds cut the bracket in quarters. */
  private missesLeft = missesAtFirstMax
  /** How many of the next rounds cut the bracket in quarters. */
  private cutsLeft = 0
  private width: number

  /**
   * `count` is the number of revisions. `newest` is the number and time of the account's newest entry. The search ends
   * when the page begins at one of at most `slack` revisions.
   */
  constructor(range: HistoryRange, count: number, newest: EntryPlace, slack: number) {
    this.range = range
    this.slack = slack
    const isNewestFirst = range.order === "newest"
    const isAtTheEnd = isNewestFirst && !range.isBefore(newest)
    const isAtTheBeginning = !isNewestFirst && range.number === undefined && range.time === undefined
    this.low = isAtTheEnd ? { ...newest, index: count } : { index: 0, number: 0, storedAt: Number.NaN }
    this.high = { index: isAtTheBeginning ? 1 : count + 1, number: newest.number + 1, storedAt: newest.storedAt + 1 }
    this.width = count
  }

  /**
   * The number of the revision at which the search begins to read entries for the page. From the revision `start` to
   * the first revision of the page, revisions have only entries before the range.
   */
  get start(): number {
    return this.range.order === "newest" ? this.high.index - 1 : this.low.index + 1
  }

  /**
   * The number of revisions from `start` on in which the page may have its first entry, at most two. Ignores the
   * revision at the low end in the order `newest`, if revisions have so many entries that a page is seldom in it.
   */
  get readsAtFirst(): number {
    const open = this.high.index - this.low.index - 1
    const isLowUnlikely = this.range.order === "newest" && this.slack === 1
    return Math.min(2, Math.max(1, isLowUnlikely ? open : open + 1))
  }

  /** Returns the revisions to read next. Returns an empty list when the search is over. */
  probes(): ReadonlyArray<number> {
    const { low, high } = this
    const open = high.index - low.index - 1
    if (open < 1 || open <= this.slack) return []
    this.width = open
    if (this.cutsLeft > 0) return this.within([1, 2, 3].map((quarter) => low.index + (quarter * open) / 4))
    // The time of the account's oldest entry is known only when revision 1 is read.
    if (this.range.time !== undefined && Number.isNaN(low.storedAt)) return this.within([1, this.guess()])
    const guess = this.guess()
    return this.within([guess - this.aside, guess, guess + this.aside])
  }

  /** Takes a revision that was read: its number, and its oldest and newest entry. */
  take(index: number, oldest: EntryPlace, newest: EntryPlace): void {
    const isNewestFirst = this.range.order === "newest"
    // A revision is low if the boundary of the range is in the revision or after the revision. In the order `newest`
    // the page begins at the highest low revision. In the order `oldest` the page begins behind the highest low
    // revision.
    const isLow = isNewestFirst ? !this.range.isBefore(oldest) : this.range.isBefore(newest)
    const place = isNewestFirst ? oldest : newest
    if (isLow && index > this.low.index) this.low = { ...place, index }
    if (!isLow && index < this.high.index) this.high = { ...place, index }
    const hasBoundary = isNewestFirst ? isLow && this.range.isBefore(newest) : !isLow && this.range.isBefore(oldest)
    if (!hasBoundary) return
    if (isNewestFirst && index + 1 < this.high.index) this.high = { ...newest, index: index + 1 }
    if (!isNewestFirst && index - 1 > this.low.index) this.low = { ...oldest, index: index - 1 }
  }

  /** Takes the two marks between which the page begins. */
  takeMarks(marks: SealMarks | undefined): void {
    const isNewestFirst = this.range.order === "newest"
    const isHigh = (mark: SealMark) => this.range.isBefore(mark) === isNewestFirst
    for (const mark of marks?.around(isHigh) ?? []) {
      if (!isHigh(mark)) {
        if (mark.index > this.low.index) this.low = mark
        continue
      }
      // The revision of a mark may have entries of the range beside entries that are too new. The next revision has no
      // entry of the range.
      const index = isNewestFirst ? mark.index + 1 : mark.index
      if (index < this.high.index) this.high = { ...mark, index }
    }
  }

  /** Ends a round, after the caller has passed all revisions of `probes` to `take`. */
  endRound(): void {
    const left = this.high.index - this.low.index - 1
    if (this.cutsLeft > 0) {
      this.cutsLeft -= 1
      this.aside = 1
    } else if (left > this.width * shareLeftMax) {
      this.missesLeft -= 1
      this.aside *= asideGrowth
      if (this.missesLeft > 0) return
      this.cutsLeft = cutsAfterMisses
      this.missesLeft = 1
    }
  }

  /**
   * Returns the number of the revision with the boundary of the range, if the entries within the bracket are spread
   * evenly.
   */
  private guess(): number {
    const { low, high, range } = this
    const shares: Array<number> = []
    if (range.number !== undefined) shares.push(between(low.number, high.number, range.number))
    if (range.time !== undefined && !Number.isNaN(low.storedAt)) {
      shares.push(between(low.storedAt, high.storedAt, range.time))
    }
    if (shares.length === 0) shares.push(0.5)
    const share = range.order === "newest" ? Math.min(...shares) : Math.max(...shares)
    return low.index + share * (high.index - low.index)
  }

  /**
   * Returns numbers of revisions within the bracket that are nearest to the given numbers, each once and lowest first.
   */
  private within(places: ReadonlyArray<number>): ReadonlyArray<number> {
    const inside = places.map((place) => Math.min(this.high.index - 1, Math.max(this.low.index + 1, Math.round(place))))
    return [...new Set(inside)].sort((one, other) => one - other)
  }
}
