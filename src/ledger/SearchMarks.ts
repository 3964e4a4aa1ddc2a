import type { EntryPlace } from "./HistoryRange.ts"

/** The most accounts with marks. Above this number, the marks of the longest unused account are dropped. */
const accountsMax = 256
/** The most marks of one account. */
const marksMax = 256

/** A revision that a search has read: its number in the account, its sequence, and its oldest and newest entry. */
export interface SearchMark {
  readonly index: number
  readonly sequence: number
  readonly oldest: EntryPlace
  readonly newest: EntryPlace
}

/**
 * Returns the given marks without one: the mark whose two neighbours are closest to each other. Keeps the first and the
 * last mark.
 */
const thinned = (marks: ReadonlyArray<SearchMark>): Array<SearchMark> => {
  let closest = 1
  let smallest = Number.POSITIVE_INFINITY
  for (let at = 1; at + 1 < marks.length; at += 1) {
    const gap = (marks[at + 1]?.index ?? 0) - (marks[at - 1]?.index ?? 0)
    if (gap >= smallest) continue
    smallest = gap
    closest = at
  }
  return marks.toSpliced(closest, 1)
}

/**
 * Remembers some revisions of accounts whose histories were searched, so that the next search of the account begins
 * with a smaller bracket. A mark never becomes wrong, because a revision never changes, and keeps its number.
 */
export class SearchMarks {
  private readonly accounts = new Map<string, ReadonlyArray<SearchMark>>()

  /** Returns the marks of an account whose sequences are in the list `sequences`, lowest number first. */
  of(userToken: string, sequences: ReadonlyArray<number>): ReadonlyArray<SearchMark> {
    return (this.accounts.get(userToken) ?? []).filter(({ index, sequence }) => sequences[index - 1] === sequence)
  }

  /** Keeps the marks `more` of an account together with the marks `known`, which `of` returned for the account. */
  keep(userToken: string, known: ReadonlyArray<SearchMark>, more: ReadonlyArray<SearchMark>): void {
    if (more.length === 0) return
    const byIndex = new Map([...known, ...more].map((mark) => [mark.index, mark]))
    let marks = [...byIndex.values()].sort((one, other) => one.index - other.index)
    while (marks.length > marksMax) marks = thinned(marks)
    this.accounts.delete(userToken)
    this.accounts.set(userToken, marks)
    if (this.accounts.size <= accountsMax) return
    const [oldest] = this.accounts.keys()
    if (oldest !== undefined) this.accounts.delete(oldest)
  }
}
