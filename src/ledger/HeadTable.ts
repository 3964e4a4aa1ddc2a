import { FirstUsers } from "./FirstUsers.ts"
import { hashWords, KeyedHash } from "./KeyedHash.ts"

/** The bytes of one entry of a hint or a base: a hash of 128 bits, and a sequence as a float of 64 bits. */
export const headEntryBytes = 24

/** The number of slots of an empty table. The number of slots is always a power of two. */
const capacityFirst = 1_024
/** The token whose hash shows whether two tables have the same key. No user has the empty id. */
const markToken = ""
/** The share of used slots above which a table doubles its slots. A search in a table with free slots is short. */
const loadMax = 0.7

/**
 * Maps each user of a partition to the sequence of the account's newest revision. The table has a keyed hash of each
 * user token, and not the token. A slot of the table takes 25 bytes. Some slots of the table are free, so a user takes
 * 36 to 72 bytes. The table of heads uses open addressing with linear search, and removes nothing.
 */
export class HeadTable {
  private readonly hash: KeyedHash
  private users = 0
  private capacity = capacityFirst
  private hashes = new Uint32Array(hashWords * capacityFirst)
  /** The sequence in each slot; 0 if the slot is free. */
  private sequences = new Float64Array(capacityFirst)
  /** For each slot: 1 if the slot changed since `takeChanged` or `takeAll` last returned its entry, and else 0. */
  private isChanged = new Uint8Array(capacityFirst)
  private changedSlots: Array<number> = []

  constructor(key: Uint32Array) {
    this.hash = new KeyedHash(key)
  }

  /** The key of the hash: four words of 32 bits. */
  get key(): Uint32Array {
    return this.hash.key
  }

  /** The number of users in the table. */
  get size(): number {
    return this.users
  }

  /** The memory that the slots take, in bytes. */
  get bytes(): number {
    return this.hashes.byteLength + this.sequences.byteLength + this.isChanged.byteLength
  }

  /** The number of users whose heads changed since the last call of `takeChanged` or `takeAll`. */
  get changed(): number {
    return this.changedSlots.length
  }

  /** The number of slots, which changes when the table grows. When the table grows, users move to other slots. */
  get slots(): number {
    return this.capacity
  }

  /**
   * A number that identifies the key of the table, and does not disclose the key. Tables with different keys have their
   * users in different orders.
   */
  get mark(): number {
    return this.hash.of(markToken)[0] as number
  }

  /** Returns the hash of a user as a text. */
  hashOf(userToken: string): string {
    return this.hash.of(userToken).join(".")
  }

  /** Offers the users in the slots from `fromSlot` to `toSlot` to a page of users. */
  offerTo(page: FirstUsers, fromSlot: number, toSlot: number): void {
    const { hashes, sequences } = this
    for (let slot = fromSlot; slot < Math.min(toSlot, this.capacity); slot += 1) {
      const sequence = sequences[slot] as number
      const at = hashWords * slot
      if (sequence !== 0) page.offer(hashes[at] as number, hashes[at + 1] as number, sequence, () => this.textAt(slot))
    }
  }

  /** Returns the sequence of a user's newest revision; 0 for a user without a revision. */
  find(userToken: string): number {
    return this.sequences[this.slotOf(this.hash.of(userToken))] as number
  }

  /** Sets the head of a user to the sequence of a committed revision. */
  set(userToken: string, sequence: number): void {
    const slot = this.put(this.hash.of(userToken), sequence)
    if (this.isChanged[slot] === 1) return
    this.isChanged[slot] = 1
    this.changedSlots.push(slot)
  }

  /**
   * Adds the entries of a hint or a base to the table. If the table has a newer sequence of a user than the entry, the
   * newer sequence stays.
   */
  read(entries: Uint8Array): void {
    const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
    const words = new Uint32Array(hashWords)
    for (let at = 0; at < entries.byteLength; at += headEntryBytes) {
      for (let word = 0; word < hashWords; word += 1) words[word] = view.getUint32(at + 4 * word, true)
      this.put(words, view.getFloat64(at + 16, true))
    }
  }

  /** Returns the entries of the users whose heads changed since the last call of `takeChanged` or `takeAll`. */
  takeChanged(): Uint8Array {
    const slots = this.changedSlots
    this.changedSlots = []
    for (const slot of slots) this.isChanged[slot] = 0
    return this.entriesOf(slots)
  }

  /** Returns the entries of all users. After a call of `takeAll`, no entry counts as changed. */
  takeAll(): Uint8Array {
    this.changedSlots = []
    this.isChanged.fill(0)
    const used: Array<number> = []
    for (let slot = 0; slot < this.capacity; slot += 1) if (this.sequences[slot] !== 0) used.push(slot)
    return this.entriesOf(used)
  }

  private entriesOf(slots: ReadonlyArray<number>): Uint8Array {
    const entries = new Uint8Array(headEntryBytes * slots.length)
    const view = new DataView(entries.buffer)
    for (const [index, slot] of slots.entries()) {
      const at = headEntryBytes * index
      for (let word = 0; word < hashWords; word += 1) {
        view.setUint32(at + 4 * word, this.hashes[hashWords * slot + word] as number, true)
      }
      view.setFloat64(at + 16, this.sequences[slot] as number, true)
    }
    return entries
  }

  private textAt(slot: number): string {
    return this.hashes.subarray(hashWords * slot, hashWords * (slot + 1)).join(".")
  }

  /** Returns the slot of a hash, or the free slot for a hash that is not in the table. */
  private slotOf(words: Uint32Array): number {
    const { hashes, sequences, capacity } = this
    const [a, b, c, d] = words
    let slot = (a as number) & (capacity - 1)
    for (; sequences[slot] !== 0; slot = (slot + 1) & (capacity - 1)) {
      const at = hashWords * slot
      if (hashes[at] === a && hashes[at + 1] === b && hashes[at + 2] === c && hashes[at + 3] === d) return slot
    }
    return slot
  }

  private put(words: Uint32Array, sequence: number): number {
    let slot = this.slotOf(words)
    if (this.sequences[slot] === 0) {
      if (this.users + 1 > loadMax * this.capacity) {
        this.grow()
        slot = this.slotOf(words)
      }
      this.hashes.set(words, hashWords * slot)
      this.users += 1
    }
    if ((this.sequences[slot] as number) < sequence) this.sequences[slot] = sequence
    return slot
  }

  private grow(): void {
    const { hashes, sequences, isChanged, capacity } = this
    this.capacity *= 2
    this.hashes = new Uint32Array(hashWords * this.capacity)
    this.sequences = new Float64Array(this.capacity)
    this.isChanged = new Uint8Array(this.capacity)
    this.changedSlots = []
    for (let old = 0; old < capacity; old += 1) {
      if (sequences[old] === 0) continue
      const words = hashes.subarray(hashWords * old, hashWords * (old + 1))
      const slot = this.slotOf(words)
      this.hashes.set(words, hashWords * slot)
      this.sequences[slot] = sequences[old] as number
      if (isChanged[old] === 0) continue
      this.isChanged[slot] = 1
      this.changedSlots.push(slot)
    }
  }
}
