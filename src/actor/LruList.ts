/** Holds the neighbours of an entry in its list. An entry is in one list at most. */
export abstract class LruEntry {
  older: this | undefined
  newer: this | undefined
}

/**
 * Entries in the order of their last use, as a list that is linked through them. Each operation takes the same time, whatever
 * the size. The iterator of a Set would walk over each entry that was deleted at its front.
 */
export class LruList<A extends LruEntry> {
  private oldestEntry: A | undefined
  private newestEntry: A | undefined
  private count = 0

  get size(): number {
    return this.count
  }

  get oldest(): A | undefined {
    return this.oldestEntry
  }

  has(entry: A): boolean {
    return entry.newer !== undefined || this.newestEntry === entry
  }

  /** Makes an entry the newest, also one that was not in the list. */
  use(entry: A): void {
    if (this.newestEntry === entry) return
    this.delete(entry)
    entry.older = this.newestEntry
    if (this.newestEntry === undefined) this.oldestEntry = entry
    else this.newestEntry.newer = entry
    this.newestEntry = entry
    this.count += 1
  }

  /** Takes an entry out. Returns `false` if it was not in the list. */
  delete(entry: A): boolean {
    if (!this.has(entry)) return false
    const { older, newer } = entry
    if (older === undefined) this.oldestEntry = newer
    else older.newer = newer
    if (newer === undefined) this.newestEntry = older
    else newer.older = older
    entry.older = undefined
    entry.newer = undefined
    this.count -= 1
    return true
  }
}
