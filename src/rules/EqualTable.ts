const roomMin = 16
const nil = -1

// Each process has a random seed of its own, so that no user can choose thresholds that all hash to one place of the
// table.
const seed = Math.floor(Math.random() * 0x1_0000_0000)

/**
 * An `EqualTable` keeps linked lists of members, each list under a key of two numbers. The table is a hash table with
 * open addressing in typed arrays. Each place of the table has one byte of the hash of its key. Most searches find no
 * key in the table, and read only the bytes of hashes.
 */
export class EqualTable {
  /**
   * For each member, the next and the previous member of the member's list; -1 at the ends of a list. The members of
   * lists are numbers that the caller chooses.
   */
  private nexts = new Int32Array(roomMin)
  private previouses = new Int32Array(roomMin)
  /** For each place of the table, one byte of the hash of the key; 0 for a free place. */
  private tags = new Uint8Array(roomMin)
  private firsts = new Int32Array(roomMin)
  private seconds = new Float64Array(roomMin)
  private heads = new Int32Array(roomMin)
  private used = 0
  /** The two halves of the number in `whole`, as input of the hash. `halves` and `whole` share their memory. */
  private readonly halves = new Uint32Array(2)
  private readonly whole = new Float64Array(this.halves.buffer)

  /** Returns the first member of the list under a key; -1 if the key has no list. */
  head(first: number, second: number): number {
    const at = this.find(first, second)
    return at === nil ? nil : (this.heads[at] as number)
  }

  /** Returns the member after a member in the same list; -1 after the last member. */
  next(member: number): number {
    return this.nexts[member] as number
  }

  /** Counts the members of the list under a key, one by one. */
  count(first: number, second: number): number {
    let length = 0
    for (let member = this.head(first, second); member !== nil; member = this.next(member)) length += 1
    return length
  }

  add(first: number, second: number, member: number): void {
    let at = this.find(first, second)
    if (at === nil) {
      if (5 * (this.used + 1) > 4 * this.tags.length) this.grow()
      at = this.take(first, second, nil)
      this.used += 1
    }
    this.reserve(member)
    const head = this.heads[at] as number
    this.nexts[member] = head
    this.previouses[member] = nil
    if (head !== nil) this.previouses[head] = member
    this.heads[at] = member
  }

  /** Removes a member from the list under a key. The member must be in the list under the key. */
  remove(first: number, second: number, member: number): void {
    const at = this.find(first, second)
    const next = this.nexts[member] as number
    const previous = this.previouses[member] as number
    if (previous === nil) this.heads[at] = next
    else this.nexts[previous] = next
    if (next !== nil) this.previouses[next] = previous
    if (this.heads[at] === nil) this.release(at)
  }

  private hash(first: number, second: number): number {
    const { halves, whole } = this
    whole[0] = second
    let hash = seed ^ Math.imul((halves[0] as number) ^ Math.imul(first + 1, 0x9e3779b1), 0x85ebca6b)
    hash ^= Math.imul(halves[1] as number, 0xc2b2ae35)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
    return hash ^ (hash >>> 15)
  }

  private find(first: number, second: number): number {
    const { tags, firsts, seconds } = this
    const mask = tags.length - 1
    const hash = this.hash(first, second)
    const tag = (hash >>> 24) | 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const found = tags[at]
      if (found === 0) return nil
      if (found === tag && seconds[at] === second && firsts[at] === first) return at
    }
  }

  /** Takes a free place of the table for a key that has no place yet. */
  private take(first: number, second: number, head: number): number {
    const { tags } = this
    const mask = tags.length - 1
    const hash = this.hash(first, second)
    let at = hash & mask
    while (tags[at] !== 0) at = (at + 1) & mask
    tags[at] = (hash >>> 24) | 1
    this.firsts[at] = first
    this.seconds[at] = second
    this.heads[at] = head
    return at
  }

  /**
   * Frees a place of the table, and moves later keys of the table back, so that no search ends too early at a free
   * place.
   */
  private release(free: number): void {
    const { tags, firsts, seconds, heads } = this
    const mask = tags.length - 1
    let hole = free
    for (let at = (hole + 1) & mask; tags[at] !== 0; at = (at + 1) & mask) {
      const home = this.hash(firsts[at] as number, seconds[at] as number) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      tags[hole] = tags[at] as number
      firsts[hole] = firsts[at] as number
      seconds[hole] = seconds[at] as number
      heads[hole] = heads[at] as number
      hole = at
    }
    tags[hole] = 0
    this.used -= 1
  }

  private reserve(member: number): void {
    if (member < this.nexts.length) return
    const { nexts, previouses } = this
    const room = Math.max(member + 1, 2 * nexts.length)
    this.nexts = new Int32Array(room)
    this.previouses = new Int32Array(room)
    this.nexts.set(nexts)
    this.previouses.set(previouses)
  }

  private grow(): void {
    const { tags, firsts, seconds, heads } = this
    const room = 2 * tags.length
    this.tags = new Uint8Array(room)
    this.firsts = new Int32Array(room)
    this.seconds = new Float64Array(room)
    this.heads = new Int32Array(room)
    for (let at = 0; at < tags.length; at += 1) {
      if (tags[at] === 0) continue
      this.take(firsts[at] as number, seconds[at] as number, heads[at] as number)
    }
  }
}
