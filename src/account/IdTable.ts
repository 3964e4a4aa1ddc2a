import type { AppliedIds } from "./AppliedIds.ts"
import { fnvOffset, fnvStep, spreadBits } from "./TextHash.ts"

/** The fewest ids that a table has room for. The room of a table doubles when the table is full. */
const roomMin = 32
/** The room for each id, in bytes: the length of a UUID. Ids that are longer than a UUID make the room grow. */
const bytesOfIdUsual = 36
/** The most bytes of UTF-8 for one UTF-16 unit. */
const bytesOfUnitMax = 3
/**
 * How many numbers are kept for each id: the sequence of its commit, its fingerprint, and its end among the bytes of
 * all ids.
 */
const numbersOfId = 3
/**
 * How many numbers a slot has: the index of an id plus one, 0 if the slot is free, and the hash of that id. The two
 * numbers of a slot lie in one line of memory, so a search seldom reads another line.
 */
const numbersOfSlot = 2

// Each process has a seed of its own. The seed keeps callers from choosing ids that all begin their search at one slot.
const seed = Math.floor(Math.random() * 0x1_0000_0000)

/**
 * Returns a shared buffer, though no other thread uses it. V8 counts buffers that are not shared as memory of its heap,
 * and then collects the whole heap more often.
 */
const unaccounted = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes)

/**
 * Keeps ids in a hash table with open addressing, in typed arrays. A table of ids only grows. The garbage collector
 * does not walk over the typed arrays, and they are filled faster than a Map. Ids are compared as UTF-8. Different ids
 * have different bytes, because no id has an unpaired surrogate.
 */
export class IdTable implements AppliedIds {
  private count = 0
  /** The hash table has two slots for each id that there is room for, so that the search for a free slot is short. */
  private slots: Int32Array
  private numbers: Float64Array
  private bytes: Buffer

  constructor(idsExpected: number) {
    let room = roomMin
    while (room < idsExpected) room *= 2
    this.slots = new Int32Array(unaccounted(numbersOfSlot * 2 * room * Int32Array.BYTES_PER_ELEMENT))
    this.numbers = new Float64Array(unaccounted(numbersOfId * room * Float64Array.BYTES_PER_ELEMENT))
    this.bytes = Buffer.from(unaccounted(bytesOfIdUsual * room))
  }

  get size(): number {
    return this.count
  }

  indexOf(id: string): number {
    const end = this.write(id)
    return (this.slots[this.slotOf(this.hash(end), end)] as number) - 1
  }

  idAt(index: number): string {
    return this.bytes.toString("utf8", this.endOf(index - 1), this.endOf(index))
  }

  sequenceAt(index: number): number {
    return this.number(index, 0)
  }

  fingerprintAt(index: number): number {
    return this.number(index, 1)
  }

  add(id: string, sequence: number, fingerprint: number): void {
    if (numbersOfId * this.count === this.numbers.length) this.grow()
    const end = this.write(id)
    const hash = this.hash(end)
    const slot = this.slotOf(hash, end)
    if (this.slots[slot] !== 0) return
    const first = numbersOfId * this.count
    this.numbers[first] = sequence
    this.numbers[first + 1] = fingerprint
    this.numbers[first + 2] = end
    this.count += 1
    this.slots[slot] = this.count
    this.slots[slot + 1] = hash
  }

  private number(index: number, which: number): number {
    return this.numbers[numbersOfId * index + which] as number
  }

  private endOf(index: number): number {
    return index < 0 ? 0 : this.number(index, 2)
  }

  /**
   * Writes the bytes of an id behind the bytes of all added ids, where the search can compare the new id with the added
   * ids. The bytes of an added id stay at their place. Returns the index behind the last byte of the id.
   */
  private write(id: string): number {
    const begin = this.endOf(this.count - 1)
    const needed = begin + bytesOfUnitMax * id.length
    if (needed > this.bytes.length) {
      const larger = Buffer.from(unaccounted(2 * needed))
      this.bytes.copy(larger, 0, 0, begin)
      this.bytes = larger
    }
    return begin + this.bytes.write(id, begin)
  }

  /**
   * Returns the hash of the id that was written last. The lowest bits of the hash choose the slot, so the function
   * spreads the bits of the hash.
   */
  private hash(end: number): number {
    let hash = seed ^ fnvOffset
    for (let index = this.endOf(this.count - 1); index < end; index += 1) {
      hash = fnvStep(hash, this.bytes[index] as number)
    }
    return spreadBits(hash) | 0
  }

  /** Returns the slot of the id that was written last, or the free slot where the id belongs. */
  private slotOf(hash: number, end: number): number {
    const last = this.slots.length - numbersOfSlot
    let slot = (numbersOfSlot * hash) & last
    for (; this.slots[slot] !== 0; slot = (slot + numbersOfSlot) & last) {
      if (this.slots[slot + 1] === hash && this.isWritten((this.slots[slot] as number) - 1, end)) return slot
    }
    return slot
  }

  private isWritten(index: number, end: number): boolean {
    const begin = this.endOf(this.count - 1)
    return this.bytes.compare(this.bytes, begin, end, this.endOf(index - 1), this.endOf(index)) === 0
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
