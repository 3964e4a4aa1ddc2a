import type { AppliedIds } from "./AppliedIds.ts"

/** The fewest members that a table has room for; the room doubles when they are there. */
const roomMin = 32
/** As long as a UUID; longer ids make their room grow. */
const bytesOfIdUsual = 36
/** UTF-8 takes no more bytes for a UTF-16 unit. */
const bytesOfUnitMax = 3
/** Revision, fingerprint, and where the id ends among the bytes of all ids. */
const numbersOfMember = 3
/**
 * A slot has one more than the number of its member, 0 where there is none, and beside it the hash of the member's id:
 * most of the time that a large table takes is waiting for memory, and so one line of it tells whether to look further.
 */
const numbersOfSlot = 2

// Of each process another, so that nobody can choose ids that all begin their search at one slot.
const seed = Math.floor(Math.random() * 0x1_0000_0000)

/**
 * Memory of shared buffers, though nobody shares it: for each few dozen MiB of other buffers V8 collects its whole heap.
 * With 5 million ids of 5,000 users that was 15 collections of up to 600 ms, and now it is 6 of up to 170 ms.
 */
const unaccounted = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes)

/**
 * Ids in the order in which they were added, as a hash table with open addressing in typed arrays; it only grows. A Map of
 * a million strings takes a second to fill, half of the time in which such an account is loaded, and every collection
 * walks over all of them. Ids are compared as UTF-8, which tells them apart: the rules let none have an unpaired surrogate.
 */
export class IdTable implements AppliedIds {
  private members = 0
  /** Twice as many slots as there is room for members, so that the search for a free one is short. */
  private slots: Int32Array
  private numbers: Float64Array
  private bytes: Buffer

  constructor(membersExpected: number) {
    let room = roomMin
    while (room < membersExpected) room *= 2
    this.slots = new Int32Array(unaccounted(numbersOfSlot * 2 * room * Int32Array.BYTES_PER_ELEMENT))
    this.numbers = new Float64Array(unaccounted(numbersOfMember * room * Float64Array.BYTES_PER_ELEMENT))
    this.bytes = Buffer.from(unaccounted(bytesOfIdUsual * room))
  }

  get size(): number {
    return this.members
  }

  indexOf(id: string): number {
    const end = this.write(id)
    return (this.slots[this.slotOf(this.hash(end), end)] as number) - 1
  }

  idAt(index: number): string {
    return this.bytes.toString("utf8", this.endOf(index - 1), this.endOf(index))
  }

  revisionAt(index: number): number {
    return this.number(index, 0)
  }

  fingerprintAt(index: number): number {
    return this.number(index, 1)
  }

  add(id: string, revision: number, fingerprint: number): void {
    if (numbersOfMember * this.members === this.numbers.length) this.grow()
    const end = this.write(id)
    const hash = this.hash(end)
    const slot = this.slotOf(hash, end)
    if (this.slots[slot] !== 0) return
    const first = numbersOfMember * this.members
    this.numbers[first] = revision
    this.numbers[first + 1] = fingerprint
    this.numbers[first + 2] = end
    this.members += 1
    this.slots[slot] = this.members
    this.slots[slot + 1] = hash
  }

  private number(member: number, which: number): number {
    return this.numbers[numbersOfMember * member + which] as number
  }

  private endOf(member: number): number {
    return member < 0 ? 0 : this.number(member, 2)
  }

  /** Writes an id behind those of the members, where it can be compared, and stays when it is added; answers its end. */
  private write(id: string): number {
    const begin = this.endOf(this.members - 1)
    const needed = begin + bytesOfUnitMax * id.length
    if (needed > this.bytes.length) {
      const larger = Buffer.from(unaccounted(2 * needed))
      this.bytes.copy(larger, 0, 0, begin)
      this.bytes = larger
    }
    return begin + this.bytes.write(id, begin)
  }

  /** FNV-1a over the bytes that were written, and murmur's last steps, since the slot is in the lowest bits. */
  private hash(end: number): number {
    let hash = seed ^ 0x811c9dc5
    for (let index = this.endOf(this.members - 1); index < end; index += 1) {
      hash = Math.imul(hash ^ (this.bytes[index] as number), 0x01000193)
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return hash ^ (hash >>> 16)
  }

  /** Where the slot begins that has the id that was written, or the free one where it belongs. */
  private slotOf(hash: number, end: number): number {
    const last = this.slots.length - numbersOfSlot
    let slot = (numbersOfSlot * hash) & last
    for (; this.slots[slot] !== 0; slot = (slot + numbersOfSlot) & last) {
      if (this.slots[slot + 1] === hash && this.isWritten((this.slots[slot] as number) - 1, end)) return slot
    }
    return slot
  }

  private isWritten(member: number, end: number): boolean {
    const begin = this.endOf(this.members - 1)
    return this.bytes.compare(this.bytes, begin, end, this.endOf(member - 1), this.endOf(member)) === 0
  }

  private grow(): void {
    const { numbers, slots } = this
    this.numbers = new Float64Array(unaccounted(2 * numbers.byteLength))
    this.numbers.set(numbers)
    const larger = new Int32Array(unaccounted(2 * slots.byteLength))
    const last = larger.length - numbersOfSlot
    for (let from = 0; from < slots.length; from += numbersOfSlot) {
      if (slots[from] === 0) continue
      const hash = slots[from + 1] as number
      let slot = (numbersOfSlot * hash) & last
      while (larger[slot] !== 0) slot = (slot + numbersOfSlot) & last
      larger[slot] = slots[from] as number
      larger[slot + 1] = hash
    }
    this.slots = larger
  }
}
