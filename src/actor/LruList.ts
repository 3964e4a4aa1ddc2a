/** An entry of an {@link LruList}, with its neighbours in that list. An {@link LruEntry} is in one list at most. */
export abstract class LruEntry {
  older: this | undefined
  newer: this | undefined
}

/**
 * Keeps entries in the order of their last use, in a list that is linked through the entries. Each operation of the
 * list takes constant time. A Set would take longer: its iterator walks over all entries that were deleted at the front
 * of the Set.
 */
export class LruList<A extends LruEntry> {
  private oldestEntry: A | undefined
  private newestEntry: A | undefined
  private count = 0

  get size(): number {
    return this.count
  }

  /** The entry that was unused for longest; `undefined` if the list is empty. */
  get oldest(): A | undefined {
    return this.oldestEntry
  }

  has(entry: A): boolean {
    return entry.newer !== undefined || this.newestEntry === entry
  }

  /** Makes an entry the newest, and adds the entry if it was not in the list. */
  use(entry: A): void {
    if (this.newestEntry === entry) return
    this.delete(entry)
    entry.older = this.newestEntry
    if (this.newestEntry === undefined) this.oldestEntry = entry
    else this.newestEntry.newer = entry
    this.newestEntry = entry
    this.count += 1
  }

  /** Removes an entry. Returns `false` if the entry was not in the list. */
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
