import { Context, Effect, Layer } from "effect"
import type { StoredRevision } from "../account/Account.ts"
import type { SealMarks } from "../account/SealMarks.ts"
import { entriesOf } from "../protocol/LedgerEntries.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import {
  entriesScannedMax,
  type HistoryCursor,
  type HistoryFilter,
  type HistoryOrder,
  type LedgerEntry,
  revisionsScannedMax
} from "../protocol/Query.ts"
import { AccountReader, type LedgerInconsistent, namedRevision } from "./AccountReader.ts"
import { entryBytes, type HistoryPage, pageBytesMax } from "./History.ts"
import { type EntryPlace, HistoryRange } from "./HistoryRange.ts"
import { RevisionBracket } from "./RevisionBracket.ts"
import { type SearchMark, SearchMarks } from "./SearchMarks.ts"
import type { ApplyingRevisions } from "./TotalsBefore.ts"

/** The most revisions that a worker reads at once for one page. */
const readsAtOnceMax = 20
/** The most entries beside the page that the search reads together with the page. Each such read may save a round. */
const entriesBesideMax = 16

/** The state of an account at the moment of a search. */
export interface SearchedAccount {
  readonly applying: ApplyingRevisions
  /** The number and the time of the account's newest entry. */
  readonly newest: EntryPlace
  /** The newest entries of the account's segments; `undefined` without segments that tell them. */
  readonly marks: SealMarks | undefined
}

/** The page of a history that a caller asks for. */
export interface HistoryAsked {
  readonly order: HistoryOrder
  readonly filter: HistoryFilter
  readonly limit: number
  readonly place?: HistoryCursor | undefined
}

/** A revision of an account: its sequence, and its entries in the order of the page. */
interface Scanned {
  readonly sequence: number
  readonly entries: ReadonlyArray<LedgerEntry>
}

/**
 * Returns the number of the revision at a sequence, counted from 1; `undefined` if no revision of the account at this
 * sequence applied an entry.
 */
const indexOf = ({ sequences, count }: ApplyingRevisions, sequence: number): number | undefined => {
  let low = 0
  for (let high = count; low < high;) {
    const middle = (low + high) >>> 1
    if ((sequences[middle] as number) >= sequence) high = middle
    else low = middle + 1
  }
  return low < count && sequences[low] === sequence ? low + 1 : undefined
}

/** A page that a search is filling, and the counts that bound the page. */
class PageInProgress {
  isOver = false
  private readonly entries: Array<LedgerEntry> = []
  private next: HistoryCursor | undefined
  private bytes = 0
  private revisions = 0
  private looked = 0
  private readonly range: HistoryRange
  private readonly limit: number

  constructor(range: HistoryRange, limit: number) {
    this.range = range
    this.limit = limit
  }

  get order(): HistoryOrder {
    return this.range.order
  }

  get page(): HistoryPage {
    const { entries, next } = this
    return next === undefined ? { entries } : { entries, next }
  }

  /**
   * Adds the entries of a revision to the page, from the index `taken` on. `isLast` says whether the revision is the
   * last of the account in the order of the page.
   */
  take({ sequence, entries }: Scanned, taken: number, isLast: boolean): void {
    for (const [at, entry] of entries.entries()) {
      if (at < taken) continue
      if (this.range.isPast(entry)) return this.end()
      if (this.entries.length === this.limit || this.bytes >= pageBytesMax) {
        return this.end({ revision: sequence, taken: at })
      }
      if (!this.range.has(entry)) continue
      this.entries.push(entry)
      this.bytes += entryBytes(entry)
    }
    this.revisions += 1
    this.looked += entries.length
    if (isLast) return this.end()
    const isFull = this.entries.length === this.limit || this.bytes >= pageBytesMax
    if (isFull || this.revisions >= revisionsScannedMax || this.looked >= entriesScannedMax) {
      this.end({ revision: sequence, taken: entries.length })
    }
  }

  /**
   * Returns how many of the next revisions the search reads at once. `size` is the average number of entries of a
   * revision.
   */
  wanted(size: number): number {
    const missing = Math.ceil((this.limit - this.entries.length) / size)
    // If few entries fit a filter of products, the search needs more revisions than the page has room for. For such a
    // filter, each round may read twice as many revisions as the search has read before.
    const wanted = this.range.isOfProducts ? Math.max(missing, 2 * this.revisions) : missing
    return Math.max(1, Math.min(wanted, readsAtOnceMax, revisionsScannedMax - this.revisions))
  }

  private end(next?: HistoryCursor): void {
    this.isOver = true
    this.next = next
  }
}

/** Reads revisions by their numbers, and keeps each revision that was read until a call of `take`. */
interface RevisionReads<E> {
  readonly read: (indexes: ReadonlyArray<number>) => Effect.Effect<void, E>
  readonly get: (index: number) => Scanned | undefined
  /** Returns a revision that was read, and forgets the revision. */
  readonly take: (index: number) => Scanned | undefined
}

const readRevisions = <E>(
  order: HistoryOrder,
  readOne: (index: number) => Effect.Effect<StoredRevision, E>
): RevisionReads<E> => {
  const known = new Map<number, Scanned>()
  return {
    read: (indexes) =>
      Effect.forEach(
        indexes.filter((index) => !known.has(index)),
        (index) =>
          Effect.map(readOne(index), (stored) => {
            const newestFirst = entriesOf(stored)
            const entries = order === "newest" ? newestFirst : newestFirst.toReversed()
            known.set(index, { sequence: stored.sequence, entries })
          }),
        { concurrency: readsAtOnceMax, discard: true }
      ),
    get: (index) => known.get(index),
    take: (index) => {
      const found = known.get(index)
      known.delete(index)
      return found
    }
  }
}

const placeOf = ({ number, storedAt }: EntryPlace): EntryPlace => ({ number, storedAt })

/** Returns the number of the revision at which a page begins. Adds the revisions that `findStart` reads to `found`. */
const findStart = Effect.fnUntraced(function* <E>(
  bracket: RevisionBracket,
  { order }: HistoryRange,
  revisions: RevisionReads<E>,
  found: Array<SearchMark>
) {
  for (let probes = bracket.probes(); probes.length > 0; probes = bracket.probes()) {
    yield* revisions.read(probes)
    for (const index of probes) {
      const { entries, sequence } = revisions.get(index) ?? { entries: [], sequence: 0 }
      const [first, last] = [entries[0], entries.at(-1)]
      if (first === undefined || last === undefined) continue
      const [oldest, newest] = order === "newest" ? [placeOf(last), placeOf(first)] : [placeOf(first), placeOf(last)]
      bracket.take(index, oldest, newest)
      found.push({ index, sequence, oldest, newest })
    }
    bracket.endRound()
  }
  return bracket.start
})

/** The revisions from which a page is filled. */
interface Walk {
  /** The number of the first revision of the page. */
  readonly start: number
  /** The number of revisions of the account. */
  readonly count: number
  /** The average number of entries of a revision. */
  readonly size: number
  /** The number of entries of the first revision that are on earlier pages. */
  readonly taken: number
  /** The number of revisions that the first round reads at least, if the account has so many revisions. */
  readonly readsAtFirst: number
}

/**
 * Fills a page. Returns `false` if the first revision has fewer entries than `taken`, so that the cursor is invalid.
 */
const fill = Effect.fnUntraced(function* <E>(
  filling: PageInProgress,
  { start, count, size, taken, readsAtFirst }: Walk,
  revisions: RevisionReads<E>
) {
  const [step, end] = filling.order === "newest" ? [-1, 1] : [1, count]
  let skipped = taken
  for (let index = start; !filling.isOver && (end - index) * step >= 0;) {
    const least = index === start ? readsAtFirst : 1
    const wanted = Math.min(Math.max(least, filling.wanted(size)), Math.abs(end - index) + 1)
    const indexes = Array.from({ length: wanted }, (_, at) => index + at * step)
    yield* revisions.read(indexes)
    for (const at of indexes) {
      const scanned = revisions.take(at)
      if (scanned === undefined || filling.isOver) continue
      if (skipped > scanned.entries.length) return false
      filling.take(scanned, skipped, at === end)
      skipped = 0
    }
    index += wanted * step
  }
  return true
})

/**
 * Finds the entries of an account that fit a filter, and returns them in pages. A search through the revisions finds
 * the beginning of a page. A page at an earlier date thus takes some more reads than the newest page. A page reads a
 * bounded number of revisions. A page may therefore be short or empty, and still have a cursor for the next page.
 */
export class HistorySearch extends Context.Service<
  HistorySearch,
  {
    /**
     * Returns a page. Returns `undefined` if the cursor is not a cursor of this account. Fails with
     * `LedgerInconsistent` if a revision that the account names is missing. In an account of an earlier version, the
     * times of entries may fall, and a page of such an account may lack entries.
     */
    readonly page: (
      userToken: string,
      account: SearchedAccount,
      asked: HistoryAsked
    ) => Effect.Effect<HistoryPage | undefined, BrokerFailure | LedgerInconsistent>
  }
>()("purchases/ledger/HistorySearch") {
  static readonly layer = Layer.effect(
    HistorySearch,
    Effect.gen(function* () {
      const reader = yield* AccountReader
      const marks = new SearchMarks()

      const page = Effect.fnUntraced(function* (userToken: string, account: SearchedAccount, asked: HistoryAsked) {
        const { applying, newest } = account
        const { order, filter, limit, place } = asked
        const begun = place === undefined ? undefined : indexOf(applying, place.revision)
        if (place !== undefined && begun === undefined) return undefined
        if (applying.count === 0) return { entries: [] }
        const range = new HistoryRange(order, filter)
        const size = newest.number / applying.count
        const revisions = readRevisions(order, (index) =>
          namedRevision(reader, userToken, applying.sequences[index - 1] ?? 0)
        )
        const slack = Math.max(1, Math.floor(entriesBesideMax / size))
        const bracket = new RevisionBracket(range, applying.count, newest, slack)
        bracket.takeMarks(account.marks)
        const known = begun === undefined ? marks.of(userToken, applying.sequences) : []
        for (const mark of known) if (mark.index <= applying.count) bracket.take(mark.index, mark.oldest, mark.newest)
        const found: Array<SearchMark> = []
        const start = begun ?? (yield* findStart(bracket, range, revisions, found))
        marks.keep(userToken, known, found)
        const filling = new PageInProgress(range, limit)
        // A cursor names the revision with the first entry.
        const readsAtFirst = begun === undefined ? bracket.readsAtFirst : 1
        return (yield* fill(
          filling,
          { start, count: applying.count, size, taken: place?.taken ?? 0, readsAtFirst },
          revisions
        ))
          ? filling.page
          : undefined
      })

      return HistorySearch.of({ page })
    })
  )
}
