import type { HistoryFilter, HistoryOrder, LedgerEntry } from "../protocol/Query.ts"

/** The number and the time of an entry, which decide whether the entry is in a range of a history. */
export type EntryPlace = Pick<LedgerEntry, "number" | "storedAt">

/** Returns whether an entry comes after the range of times and numbers of a filter. */
const isBehind = ({ to, before }: HistoryFilter, { number, storedAt }: EntryPlace): boolean =>
  (to !== undefined && storedAt >= to) || (before !== undefined && number >= before)

/** Returns whether an entry comes before the range of times and numbers of a filter. */
const isAhead = ({ from, after }: HistoryFilter, { number, storedAt }: EntryPlace): boolean =>
  (from !== undefined && storedAt < from) || (after !== undefined && number <= after)

/**
 * The range of times and numbers of a filter, in the order of a page. The numbers of an account's entries rise, and the
 * times of the entries do not fall. The entries of a range therefore follow each other without a gap.
 */
export class HistoryRange {
  readonly order: HistoryOrder
  private readonly filter: HistoryFilter

  constructor(order: HistoryOrder, filter: HistoryFilter) {
    this.order = order
    this.filter = filter
  }

  /** Returns whether an entry comes before the first entry of the range in the order of the page. */
  isBefore(entry: EntryPlace): boolean {
    return this.order === "newest" ? isBehind(this.filter, entry) : isAhead(this.filter, entry)
  }

  /** Returns whether an entry comes after the last entry of the range in the order of the page. */
  isPast(entry: EntryPlace): boolean {
    return this.order === "newest" ? isAhead(this.filter, entry) : isBehind(this.filter, entry)
  }

  /** The number at which the range begins in the order of the page; `undefined` if the filter has no such number. */
  get number(): number | undefined {
    return this.order === "newest" ? this.filter.before : this.filter.after
  }

  /** The time at which the range begins in the order of the page; `undefined` if the filter has no such time. */
  get time(): number | undefined {
    return this.order === "newest" ? this.filter.to : this.filter.from
  }

  /** Whether the filter leaves out entries between the first and the last entry of the range. */
  get isOfProducts(): boolean {
    return this.filter.product !== undefined || this.filter.productType !== undefined
  }

  /** Returns whether an entry meets all conditions of the filter. */
  has(entry: LedgerEntry): boolean {
    const { product, productType } = this.filter
    return (
      !this.isBefore(entry) &&
      !this.isPast(entry) &&
      (product === undefined || entry.productName === product) &&
      (productType === undefined || entry.productType === productType)
    )
  }
}
