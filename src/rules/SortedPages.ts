import type { IntegerList } from "./IntegerList.ts"

/** The most entries of a page. A larger one is slow to change, and a smaller one makes directories long. */
const pageEntries = 128
const pagesMin = 4
const directoryMin = 4
/** Below this number of entries, a loop moves or copies them faster than the built-in functions. */
const loopMax = 24

/** The pages of one list in their order: of each, the greatest entry and the number of entries before it. */
class Directory {
  size = 0
  lastKeys = new Float64Array(directoryMin)
  lastSlots = new Int32Array(directoryMin)
  pages = new Int32Array(directoryMin)
  before = new Int32Array(directoryMin)

  insert(at: number, page: number): void {
    if (this.size === this.pages.length) this.grow()
    const { lastKeys, lastSlots, pages, before, size } = this
    lastKeys.copyWithin(at + 1, at, size)
    lastSlots.copyWithin(at + 1, at, size)
    pages.copyWithin(at + 1, at, size)
    before.copyWithin(at + 1, at, size)
    pages[at] = page
    this.size += 1
  }

  remove(at: number): void {
    const { lastKeys, lastSlots, pages, before, size } = this
    lastKeys.copyWithin(at, at + 1, size)
    lastSlots.copyWithin(at, at + 1, size)
    pages.copyWithin(at, at + 1, size)
    before.copyWithin(at, at + 1, size)
    this.size -= 1
  }

  /** Changes the number of entries before each page behind one. */
  shift(behind: number, by: number): void {
    const { before, size } = this
    for (let at = behind + 1; at < size; at += 1) before[at] = (before[at] as number) + by
  }

  /** Returns the first page whose greatest key is above a key; the number of pages if there is none. */
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

  /** Returns the first page whose greatest entry is not before an entry; the number of pages if there is none. */
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
    const room = 2 * this.pages.length
    const { lastKeys, lastSlots, pages, before } = this
    this.lastKeys = new Float64Array(room)
    this.lastSlots = new Int32Array(room)
    this.pages = new Int32Array(room)
    this.before = new Int32Array(room)
    this.lastKeys.set(lastKeys)
    this.lastSlots.set(lastSlots)
    this.pages.set(pages)
    this.before.set(before)
  }
}

/**
 * Sorted lists of entries, each a key and the slot of a rule, in pages of two pools that all lists share. Equal keys are in
 * the order of their slots, so that an entry among many equal keys is found without a scan.
 */
export class SortedPages {
  private keys = new Float64Array(pagesMin * pageEntries)
  private slots = new Int32Array(pagesMin * pageEntries)
  private counts = new Int32Array(pagesMin)
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

  /** Frees a list that is empty. */
  free(list: number): void {
    this.lists[list] = new Directory()
    this.freeLists.push(list)
  }

  add(list: number, key: number, slot: number): void {
    const directory = this.directory(list)
    let at = Math.min(directory.pageOf(key, slot), directory.size - 1)
    if (at < 0) {
      at = 0
      directory.insert(0, this.takePage())
      directory.before[0] = 0
    } else if (this.counts[directory.pages[at] as number] === pageEntries) {
      this.split(directory, at)
      at = Math.min(directory.pageOf(key, slot), directory.size - 1)
    }
    const page = directory.pages[at] as number
    const begin = page * pageEntries
    const count = this.counts[page] as number
    const index = this.indexOf(begin, count, key, slot)
    this.move(index, begin + count, 1)
    this.keys[index] = key
    this.slots[index] = slot
    this.counts[page] = count + 1
    if (index === begin + count) this.setLast(directory, at, index)
    directory.shift(at, 1)
  }

  /** Removes an entry. The list has to have it. */
  remove(list: number, key: number, slot: number): void {
    const directory = this.directory(list)
    const at = directory.pageOf(key, slot)
    const page = directory.pages[at] as number
    const begin = page * pageEntries
    const count = this.counts[page] as number
    const index = this.indexOf(begin, count, key, slot)
    this.move(index + 1, begin + count, -1)
    this.counts[page] = count - 1
    directory.shift(at, -1)
    if (count === 1) {
      directory.remove(at)
      this.freePages.push(page)
    } else if (index === begin + count - 1) this.setLast(directory, at, index - 1)
  }

  /** Returns the number of keys up to and with a key. */
  countUpTo(list: number, key: number): number {
    return this.rank(this.directory(list), key)
  }

  /** Returns the number of keys above a key. */
  countAbove(list: number, key: number): number {
    const directory = this.directory(list)
    return this.sizeOf(directory) - this.rank(directory, key)
  }

  /** Returns the number of keys above `above`, up to and with `upTo`, which is not less. */
  countBetween(list: number, above: number, upTo: number): number {
    const directory = this.directory(list)
    return directory.size === 0 ? 0 : this.rank(directory, upTo) - this.rank(directory, above)
  }

  /** Adds the slots of the keys above `above`, up to and with `upTo`. */
  collectBetween(list: number, above: number, upTo: number, found: IntegerList): void {
    const directory = this.directory(list)
    const last = directory.pageAbove(upTo)
    for (let at = directory.pageAbove(above); at <= last && at < directory.size; at += 1) {
      const page = directory.pages[at] as number
      const begin = page * pageEntries
      const count = this.counts[page] as number
      const isFirst = at === 0 || (directory.lastKeys[at - 1] as number) <= above
      const from = isFirst ? this.indexAbove(begin, count, above) : begin
      const to = at === last ? this.indexAbove(begin, count, upTo) : begin + count
      this.copy(from, to, found)
    }
  }

  private directory(list: number): Directory {
    return this.lists[list] as Directory
  }

  /** Returns the number of entries whose keys are not above a key. */
  private rank(directory: Directory, key: number): number {
    const at = directory.pageAbove(key)
    if (at === directory.size) return this.sizeOf(directory)
    const page = directory.pages[at] as number
    const begin = page * pageEntries
    return (directory.before[at] as number) + this.indexAbove(begin, this.counts[page] as number, key) - begin
  }

  private sizeOf({ size, pages, before }: Directory): number {
    return size === 0 ? 0 : (before[size - 1] as number) + (this.counts[pages[size - 1] as number] as number)
  }

  /** Returns the index of the first entry of a page whose key is above a key. */
  private indexAbove(begin: number, count: number, key: number): number {
    const { keys } = this
    let low = begin
    let high = begin + count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((keys[middle] as number) <= key) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Returns the index of an entry, or of the first one behind its place. */
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

  /** Moves the entries from one index to before another by one. */
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

  /** Moves the upper half of a page to a new one behind it. */
  private split(directory: Directory, at: number): void {
    const page = directory.pages[at] as number
    const half = pageEntries / 2
    const upper = this.takePage()
    const begin = page * pageEntries
    this.keys.copyWithin(upper * pageEntries, begin + half, begin + pageEntries)
    this.slots.copyWithin(upper * pageEntries, begin + half, begin + pageEntries)
    this.counts[page] = half
    this.counts[upper] = half
    directory.insert(at + 1, upper)
    directory.before[at + 1] = (directory.before[at] as number) + half
    this.setLast(directory, at, begin + half - 1)
    this.setLast(directory, at + 1, upper * pageEntries + half - 1)
  }

  private takePage(): number {
    const free = this.freePages.pop()
    if (free === undefined && this.pagesUsed === this.counts.length) this.grow()
    const page = free ?? this.pagesUsed++
    this.counts[page] = 0
    return page
  }

  private grow(): void {
    const { keys, slots, counts } = this
    const pages = counts.length + (counts.length >> 1)
    this.keys = new Float64Array(pages * pageEntries)
    this.slots = new Int32Array(pages * pageEntries)
    this.counts = new Int32Array(pages)
    this.keys.set(keys)
    this.slots.set(slots)
    this.counts.set(counts)
  }
}
