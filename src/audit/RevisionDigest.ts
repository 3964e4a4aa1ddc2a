const idStep = 0x9e3779b1
const printStep = 0x85ebca6b
const highBits = 0x1fffff
const wordSize = 0x1_0000_0000

const rotated = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

const joined = (high: number, low: number): number => (high & highBits) * wordSize + (low >>> 0)

/**
 * Adds up the ids and the fingerprints of one revision, in their order. An audit compares the sums of a revision with the
 * sums of the segment that covers it, and need not keep the ids. Two different lists have equal sums with a chance of
 * one in 2^53.
 */
export class RevisionDigest {
  private length = 0
  private idsHigh = 0
  private idsLow = 0
  private printsHigh = 0
  private printsLow = 0

  /** Adds an id, given the four words of its keyed hash, and its fingerprint. */
  add(words: Uint32Array, fingerprint: number): void {
    const [one, two, three, four] = words as unknown as readonly [number, number, number, number]
    this.length += 1
    this.idsHigh = rotated(Math.imul(this.idsHigh ^ one, idStep), 13)
    this.idsLow = rotated(Math.imul(this.idsLow ^ two, printStep), 17) ^ this.idsHigh
    // The multipliers are from the keyed hash, so nobody can choose fingerprints whose sums are equal.
    const low = Math.imul((fingerprint >>> 0) ^ one, three | 1)
    const high = Math.imul(Math.floor(fingerprint / wordSize) ^ two, four | 1)
    this.printsHigh = rotated(Math.imul(this.printsHigh ^ high, idStep) ^ low, 11)
    this.printsLow = rotated(Math.imul(this.printsLow ^ low, printStep) ^ high, 7)
  }

  /** The number of ids. */
  get count(): number {
    return this.length
  }

  /** The sum of the ids, with 53 bits. */
  get ids(): number {
    return joined(this.idsHigh, this.idsLow)
  }

  /** The sum of the fingerprints, with 53 bits. */
  get prints(): number {
    return joined(this.printsHigh, this.printsLow)
  }
}
