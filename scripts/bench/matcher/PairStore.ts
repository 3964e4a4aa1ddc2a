import { type IntervalIndex, readAhead } from "./IntervalIndex.ts"

/** The most pairs of a chunk. */
const chunkPairsMax = 2 ** 24
const chunkPairsMin = 1_024

/**
 * Makes memory in shared buffers, although nobody shares it. For each few dozen MiB of other buffers, V8 would collect
 * its whole heap.
 */
const unaccounted = (numbers: number): Uint32Array =>
  new Uint32Array(new SharedArrayBuffer(numbers * Uint32Array.BYTES_PER_ELEMENT))

/** Pairs of an event and a rule, in columns. */
export interface Chunk {
  size: number
  readonly events: Uint32Array
  /** The rules of the pairs begin behind a copy of the index's rules, so that rules are copied within one array. */
  readonly rules: Uint32Array
}

/** Every pair that matches, kept in memory. */
export class PairStore {
  readonly chunks: Array<Chunk> = []
  /** Where the rules of the first pair stand in a chunk. */
  readonly firstRule: number
  private readonly index: IntervalIndex
  private readonly room: number

  /** Makes an empty store. Its chunks have room for the expected number of pairs, within bounds. */
  constructor(index: IntervalIndex, pairsExpected: number) {
    this.index = index
    this.firstRule = index.ruleIds.length
    this.room = Math.min(chunkPairsMax, Math.max(chunkPairsMin, Math.ceil(pairsExpected))) + this.firstRule + readAhead
  }

  get size(): number {
    return this.chunks.reduce((size, chunk) => size + chunk.size, 0)
  }

  /** Returns the newest chunk, or the first chunk. */
  newest(): Chunk {
    return this.chunks.at(-1) ?? this.next()
  }

  /** Begins a further chunk. */
  next(): Chunk {
    const rules = unaccounted(this.firstRule + this.room)
    rules.set(this.index.ruleIds)
    const chunk = { size: 0, events: unaccounted(this.room), rules }
    this.chunks.push(chunk)
    return chunk
  }

  /** Returns a pair by its number. */
  pair(number: number): { readonly event: number; readonly rule: number } {
    let at = number
    for (const { size, events, rules } of this.chunks) {
      if (at < size) return { event: events[at] as number, rule: rules[this.firstRule + at] as number }
      at -= size
    }
    throw new RangeError(`There is no pair ${number}.`)
  }
}
