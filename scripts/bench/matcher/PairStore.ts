import { type IntervalIndex, readAhead } from "./IntervalIndex.ts"

/** The most pairs in one chunk of the store. */
const chunkPairsMax = 2 ** 24
const chunkPairsMin = 1_024

/**
 * Makes memory in shared buffers, although no other thread uses the buffers. With buffers that are not shared, V8 would
 * collect its whole heap after each few dozen MiB.
 */
const unaccounted = (numbers: number): Uint32Array =>
  new Uint32Array(new SharedArrayBuffer(numbers * Uint32Array.BYTES_PER_ELEMENT))

/** A chunk of pairs of an event and a rule, in columns. */
export interface Chunk {
  size: number
  readonly events: Uint32Array
  /**
   * The rules of the pairs, behind a copy of the index's rules. So rules of the index are copied to the pairs within
   * one array.
   */
  readonly rules: Uint32Array
}

/** Keeps every matching pair of an event and a rule in memory. */
export class PairStore {
  readonly chunks: Array<Chunk> = []
  /** The index at which the rule of the first pair is in a chunk. */
  readonly firstRule: number
  private readonly index: IntervalIndex
  private readonly room: number

  /** Makes an empty store of pairs. The chunks have room for the expected number of pairs, within bounds. */
  constructor(index: IntervalIndex, pairsExpected: number) {
    this.index = index
    this.firstRule = index.ruleIds.length
    this.room = Math.min(chunkPairsMax, Math.max(chunkPairsMin, Math.ceil(pairsExpected))) + this.firstRule + readAhead
  }

  get size(): number {
    return this.chunks.reduce((size, chunk) => size + chunk.size, 0)
  }

  /** Returns the newest chunk, and makes the first chunk if the store is empty. */
  newest(): Chunk {
    return this.chunks.at(-1) ?? this.next()
  }

  /** Begins a further chunk of the store. */
  next(): Chunk {
    const rules = unaccounted(this.firstRule + this.room)
    rules.set(this.index.ruleIds)
    const chunk = { size: 0, events: unaccounted(this.room), rules }
    this.chunks.push(chunk)
    return chunk
  }

  /** Returns the pair with a number. */
  pair(number: number): { readonly event: number; readonly rule: number } {
    let at = number
    for (const { size, events, rules } of this.chunks) {
      if (at < size) return { event: events[at] as number, rule: rules[this.firstRule + at] as number }
      at -= size
    }
    throw new RangeError(`There is no pair ${number}.`)
  }
}
