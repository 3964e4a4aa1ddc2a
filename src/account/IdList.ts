import type { AppliedIds } from "./AppliedIds.ts"
import { fnvStep } from "./TextHash.ts"

/** How many numbers are kept for each id: its tag, the sequence of its commit, and its fingerprint. */
const numbersOfId = 3
/**
 * The room of a list doubles up to this many ids. A larger list grows by this many ids at a time. Most accounts have
 * few ids.
 */
const roomStepMax = 4
/**
 * The number that fills the free room of a list. The value `freeNumber` has a fraction, so the engine keeps the array
 * as plain floats, which the garbage collector skips.
 */
const freeNumber = 0.5
/** The free room to add to a list with 0, 1, 2, … ids. */
const rooms = Array.from({ length: roomStepMax + 1 }, (_, count) => {
  const added = Math.max(1, count)
  return {
    ids: Array.from({ length: added }, () => ""),
    numbers: Array.from({ length: numbersOfId * added }, () => freeNumber)
  }
})
/**
 * The number of UTF-16 units at the end of an id from which its tag is computed. Random ids, and ids that end with a
 * counter, differ in their last units.
 */
const tagUnits = 8

/**
 * Returns a hash of 32 bits of the length of an id and its last units. Two ids with different tags are different ids.
 */
const tagOf = (id: string): number => {
  let tag = id.length
  for (let index = Math.max(0, id.length - tagUnits); index < id.length; index += 1) {
    tag = fnvStep(tag, id.charCodeAt(index))
  }
  return tag
}

/**
 * Keeps ids in arrays, in the order in which the ids were added. A search begins at the front of the arrays. For few
 * ids, the arrays take less memory than a table. A search compares tags, which lie side by side. A search reads an id
 * only if the id has the wanted tag.
 */
export class IdList implements AppliedIds {
  private count = 0
  private ids: Array<string> = []
  private numbers: Array<number> = []

  get size(): number {
    return this.count
  }

  indexOf(id: string): number {
    return this.find(id, tagOf(id))
  }

  idAt(index: number): string {
    return this.ids[index] as string
  }

  sequenceAt(index: number): number {
    return this.numbers[numbersOfId * index + 1] as number
  }

  fingerprintAt(index: number): number {
    return this.numbers[numbersOfId * index + 2] as number
  }

  add(id: string, sequence: number, fingerprint: number): void {
    const tag = tagOf(id)
    if (this.find(id, tag) >= 0) return
    if (this.count === this.ids.length) this.grow()
    const first = numbersOfId * this.count
    this.ids[this.count] = id
    this.numbers[first] = tag
    this.numbers[first + 1] = sequence
    this.numbers[first + 2] = fingerprint
    this.count += 1
  }

  private find(id: string, tag: number): number {
    const { count, numbers, ids } = this
    for (let index = 0; index < count; index += 1) {
      if (numbers[numbersOfId * index] === tag && ids[index] === id) return index
    }
    return -1
  }

  // With an array as its argument, `concat` is quick and leaves no unused room.
  private grow(): void {
    const { ids, numbers } = rooms[Math.min(this.count, rooms.length - 1)] as (typeof rooms)[number]
    this.ids = this.ids.concat(ids)
    this.numbers = this.numbers.concat(numbers)
  }
}
