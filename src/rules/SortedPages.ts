import type { IntegerList } from "./IntegerList.ts"

/**
 * The most entries of one page of a sorted list. A change of a larger page is slower, and smaller pages make the
 * directory of a list longer.
 */
const pageEntries = 128
const pagesMin = 4
const directoryMin = 4
/**
 * The number of pages in a stretch is two to the power of `stretchBits`. A stretch is a sequence of pages that follow
 * each other, with a common count of entries. A change of a page updates the counts within the page's stretch, and one
 * count for each later stretch.
 */
const stretchBits = 5
const stretchPages = 1 << stretchBits
/** The number of entries below which a loop moves entries faster than the built-in functions. */
const loopMax = 24

/** The first distance from its first guess at which a search in a page looks. */
const stepMin = 4

const noNumbers = new Float64Array(0)
const noIntegers = new Int32Array(0)

/**
 * The pages of one sorted list in their order, with the greatest entry and the number of entries of each page. The
 * arrays are made with the first page, because many lists of small groups stay empty.
 */
class Directory {
  size = 0
  lastKeys = noNumbers
  lastSlots = noIntegers
  pages = noIntegers
  counts = noIntegers
  /**
   * `beforePage` has, for each page, the number of entries before the page in the same stretch. `beforeStretch` has,
   * for each stretch, the number of entries before the stretch.
   */
  private beforePage = noIntegers
  private beforeStretch = noIntegers

  /** Inserts a page at an index. After the call, the caller has to set the greatest entry of the page. */
  insert(at: number, page: number, count: number): void {
    if (this.size === this.pages.length) this.grow()
    const { lastKeys, lastSlots, pages, counts, size } = this
    lastKeys.copyWithin(at + 1, at, size)
    lastSlots.copyWithin(at + 1, at, size)
    pages.copyWithin(at + 1, at, size)
    counts.copyWithin(at + 1, at, size)
    pages[at] = page
    counts[at] = count
    this.size += 1
    this.countAgain(at)
  }

  remove(at: number): void {
    const { lastKeys, lastSlots, pages, counts, size } = this
    lastKeys.copyWithin(at, at + 1, size)
    lastSlots.copyWithin(at, at + 1, size)
    pages.copyWithin(at, at + 1, size)
    counts.copyWithin(at, at + 1, size)
    this.size -= 1
    this.countAgain(at)
  }

  /**
   * Returns the number of entries before the page at an index. For an index after the last page, returns the number of
   * all entries.
   */
  before(at: number): number {
    if (at === 0) return 0
    if (at < this.size) return (this.beforeStretch[at >> stretchBits] as number) + (this.beforePage[at] as number)
    return this.before(at - 1) + (this.counts[at - 1] as number)
  }

  /** Changes the number of entries of a page by one. */
  change(at: number, by: 1 | -1): void {
    const { counts, beforePage, beforeStretch, size } = this
    counts[at] = (counts[at] as number) + by
    const stretch = at >> stretchBits
    const end = Math.min(size, (stretch + 1) * stretchPages)
    for (let page = at + 1; page < end; page += 1) beforePage[page] = (beforePage[page] as number) + by
    for (let next = stretch + 1; next * stretchPages < size; next += 1) {
      beforeStretch[next] = (beforeStretch[next] as number) + by
    }
  }

  /** Computes the counts before pages and stretches again, from the stretch of the page at `from` on. */
  countAgain(from: number): void {
    const { counts, beforePage, beforeStretch, size } = this
    for (let page = from & ~(stretchPages - 1); page < size; page += 1) {
      const stretch = page >> stretchBits
      const isFirst = (page & (stretchPages - 1)) === 0
      if (isFirst && page > 0) {
        const through = (beforePage[page - 1] as number) + (counts[page - 1] as number)
        beforeStretch[stretch] = (beforeStretch[stretch - 1] as number) + through
      }
      beforePage[page] = isFirst ? 0 : (beforePage[page - 1] as number) + (counts[page - 1] as number)
    }
  }

  /**
   * Returns the index of the first page whose greatest key is above a key; the number of pages if no page has such a
   * key.
   */
  pageAbove(key: number): number {
    const { lastKeys } = this
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((lastKeys[middle] as number) <= key) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Returns the index of the first page whose greatest entry is not before the given entry. Returns the number of pages
   * if all pages end before the given entry.
   */
  pageOf(key: number, slot: number): number {
    const { lastKeys, lastSlots } = this
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      const lastKey = lastKeys[middle] as number
      if (lastKey < key || (lastKey === key && (lastSlots[middle] as number) < slot)) low = middle + 1
      else high = middle
    }
    return low
  }

  private grow(): void {
    const room = Math.max(directoryMin, 2 * this.pages.length)
    const { lastKeys, lastSlots, pages, counts, beforePage, beforeStretch } = this
    this.lastKeys = new Float64Array(room)
    this.lastSlots = new Int32Array(room)
    this.pages = new Int32Array(room)
    this.counts = new Int32Array(room)
    this.beforePage = new Int32Array(room)
    this.beforeStretch = new Int32Array((room >> stretchBits) + 1)
    this.lastKeys.set(lastKeys)
    this.lastSlots.set(lastSlots)
    this.pages.set(pages)
    this.counts.set(counts)
    this.beforePage.set(beforePage)
    this.beforeStretch.set(beforeStretch)
  }
}

/**
 * Keeps sorted lists of entries. An entry is a key and the slot of a rule. The entries of all lists are in pages of two
 * shared arrays. Entries with equal keys are in the order of their slots, so that a search for an entry among many
 * equal keys needs no scan.
 */
export class SortedPages {
  private keys = new Float64Array(pagesMin * pageEntries)
  private slots = new Int32Array(pagesMin * pageEntries)
  private pagesUsed = 0
  private readonly freePages: Array<number> = []
  private readonly lists: Array<Directory> = []
  private readonly freeLists: Array<number> = []

  /** Makes an empty list, and returns its number. */
  create(): number {
    const list = this.freeLists.pop()
    if (list !== undefined) return list
    this.lists.push(new Directory())
    return this.lists.length - 1
  }

  /** Frees the number of an empty list. */
  free(list: number): void {
    this.lists[list] = new Directory()
    this.freeLists.push(list)
  }

  add(list: number, key: number, slot: number): void {
    const directory = this.directory(list)
    let at = Math.min(directory.pageOf(key, slot), directory.size - 1)
    if (at < 0) {
      at = 0
      directory.insert(0, this.takePage(), 0)
    } else if (directory.counts[at] === pageEntries) {
      this.split(directory, at)
      at = Math.min(directory.pageOf(key, slot), directory.size - 1)
    }
    const page = directory.pages[at] as number
    const begin = page * pageEntries
    const count = directory.counts[at] as number
    const index = this.indexOf(begin, count, key, slot)
    this.move(index, begin + count, 1)
    this.keys[index] = key
    this.slots[index] = slot
    if (index === begin + count) this.setLast(directory, at, index)
    directory.change(at, 1)
  }

  /** Removes an entry, which must be in the list. */
  remove(list: number, key: number, slot: number): void {
    const directory = this.directory(list)
    const at = directory.pageOf(key, slot)
    const page = directory.pages[at] as number
    const begin = page * pageEntries
    const count = directory.counts[at] as number
    const index = this.indexOf(begin, count, key, slot)
    this.move(index + 1, begin + count, -1)
    directory.change(at, -1)
    if (count === 1) {
      directory.remove(at)
      this.freePages.push(page)
    } else if (index === begin + count - 1) this.setLast(directory, at, index - 1)
  }

  /** Returns the number of entries whose keys are not above a key. */
  countUpTo(list: number, key: number): number {
    return this.rank(this.directory(list), key)
  }

  /** Returns the number of entries whose keys are above a key. */
  countAbove(list: number, key: number): number {
    const directory = this.directory(list)
    return directory.before(directory.size) - this.rank(directory, key)
  }

  /**
   * Returns the number of entries whose keys are above `above` and not above `upTo`. `upTo` must not be less than
   * `above`.
   */
  countBetween(list: number, above: number, upTo: number): number {
    const directory = this.directory(list)
    return directory.size === 0 ? 0 : this.rank(directory, upTo) - this.rank(directory, above)
  }

  /** Adds to `found` the slots of the entries whose keys are above `above` and not above `upTo`. */
  collectBetween(list: number, above: number, upTo: number, found: IntegerList): void {
    const directory = this.directory(list)
    const last = directory.pageAbove(upTo)
    for (let at = directory.pageAbove(above); at <= last && at < directory.size; at += 1) {
      const page = directory.pages[at] as number
      const begin = page * pageEntries
      const count = directory.counts[at] as number
      const isFirst = at === 0 || (directory.lastKeys[at - 1] as number) <= above
      const from = isFirst ? this.indexAbove(directory, at, above) : begin
      const to = at === last ? this.indexAbove(directory, at, upTo) : begin + count
      this.copy(from, to, found)
    }
  }

  private directory(list: number): Directory {
    return this.lists[list] as Directory
  }

  /** Returns the number of entries whose keys are not above a key. */
  private rank(directory: Directory, key: number): number {
    const at = directory.pageAbove(key)
    if (at === directory.size) return directory.before(at)
    const begin = (directory.pages[at] as number) * pageEntries
    return directory.before(at) + this.indexAbove(directory, at, key) - begin
  }

  /**
   * Returns the index of the first entry of a page whose key is above a key. Begins where the key would be if the keys
   * of the page were spread evenly, because a search by halves alone reads more of the page from memory.
   */
  private indexAbove(directory: Directory, at: number, key: number): number {
    const { keys } = this
    const begin = (directory.pages[at] as number) * pageEntries
    const end = begin + (directory.counts[at] as number)
    const lowest = at === 0 ? (keys[begin] as number) : (directory.lastKeys[at - 1] as number)
    const share = (key - lowest) / ((directory.lastKeys[at] as number) - lowest)
    let low = begin
    let high = end
    // Any index of the page is a right guess: a wrong one only makes the search longer.
    const guess = begin + Math.max(0, Math.min(((end - begin) * share) | 0, end - begin - 1))
    if ((keys[guess] as number) <= key) {
      low = guess + 1
      for (let step = stepMin; low + step < high; step *= 2) {
        if ((keys[low + step] as number) > key) high = low + step
        else low += step + 1
      }
    } else {
      high = guess
      for (let step = stepMin; high - step > low; step *= 2) {
        if ((keys[high - step - 1] as number) <= key) low = high - step
        else high -= step + 1
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((keys[middle] as number) <= key) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Returns the index of an entry in a page, or the index at which an insertion would put the entry. */
  private indexOf(begin: number, count: number, key: number, slot: number): number {
    const { keys, slots } = this
    let low = begin
    let high = begin + count
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = keys[middle] as number
      if (found < key || (found === key && (slots[middle] as number) < slot)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Moves each entry from the index `from` up to the index `to` (exclusive) by one index. */
  private move(from: number, to: number, by: 1 | -1): void {
    const { keys, slots } = this
    if (to - from >= loopMax) {
      keys.copyWithin(from + by, from, to)
      slots.copyWithin(from + by, from, to)
    } else if (by === 1) {
      for (let index = to; index > from; index -= 1) {
        keys[index] = keys[index - 1] as number
        slots[index] = slots[index - 1] as number
      }
    } else {
      for (let index = from; index < to; index += 1) {
        keys[index - 1] = keys[index] as number
        slots[index - 1] = slots[index] as number
      }
    }
  }

  private copy(from: number, to: number, found: IntegerList): void {
    if (to <= from) return
    found.reserve(to - from)
    const { slots } = this
    if (to - from >= loopMax) found.values.set(slots.subarray(from, to), found.length)
    else
      for (let index = from; index < to; index += 1) found.values[found.length + index - from] = slots[index] as number
    found.length += to - from
  }

  private setLast(directory: Directory, at: number, index: number): void {
    directory.lastKeys[at] = this.keys[index] as number
    directory.lastSlots[at] = this.slots[index] as number
  }

  /** Moves the upper half of a full page to a new page after the full page. */
  private split(directory: Directory, at: number): void {
    const page = directory.pages[at] as number
    const half = pageEntries / 2
    const upper = this.takePage()
    const begin = page * pageEntries
    this.keys.copyWithin(upper * pageEntries, begin + half, begin + pageEntries)
    this.slots.copyWithin(upper * pageEntries, begin + half, begin + pageEntries)
    directory.counts[at] = half
    directory.insert(at + 1, upper, half)
    this.setLast(directory, at, begin + half - 1)
    this.setLast(directory, at + 1, upper * pageEntries + half - 1)
  }

  private takePage(): number {
    const free = this.freePages.pop()
    if (free !== undefined) return free
    if (this.pagesUsed * pageEntries === this.slots.length) this.grow()
    this.pagesUsed += 1
    return this.pagesUsed - 1
  }

  private grow(): void {
    const { keys, slots, pagesUsed } = this
    const pages = pagesUsed + (pagesUsed >> 1)
    this.keys = new Float64Array(pages * pageEntries)
    this.slots = new Int32Array(pages * pageEntries)
    this.keys.set(keys)
    this.slots.set(slots)
  }
}
