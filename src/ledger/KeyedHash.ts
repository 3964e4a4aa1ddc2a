/** The number of words of a key, and of a hash. A word has 32 bits. */
export const hashWords = 4

const absorbRounds = 2
const finishRounds = 4

/** Returns the byte of an ASCII text at an index. */
const byteAt = (token: string, index: number): number => token.charCodeAt(index)

/**
 * Returns the last word of a token that is hashed. The word has the bytes behind the last whole word of the token, and
 * the token's length in the highest byte.
 */
const lastWordOf = (token: string): number => {
  let word = token.length << 24
  for (let index = token.length & ~3; index < token.length; index += 1) {
    word |= byteAt(token, index) << (8 * (index & 3))
  }
  return word
}

/**
 * Hashes subject tokens to 128 bits. The hash is HalfSipHash-2-4 with an output of 64 bits, run once with each half of
 * a key of 128 bits. A caller that does not know the key cannot choose two tokens with the same hash.
 */
export class KeyedHash {
  readonly key: Uint32Array
  /** The hash of the token that was hashed last. */
  readonly words = new Uint32Array(hashWords)
  private readonly state = new Int32Array(4)

  constructor(key: Uint32Array) {
    this.key = key
  }

  /** Hashes an ASCII token. Returns the array `words`, which the next call of `of` overwrites. */
  of(token: string): Uint32Array {
    const { key } = this
    this.half(token, key[0] as number, key[1] as number, 0)
    this.half(token, key[2] as number, key[3] as number, 2)
    return this.words
  }

  private half(token: string, key0: number, key1: number, at: number): void {
    const { state, words } = this
    state[0] = key0
    state[1] = key1 ^ 0xee
    state[2] = 0x6c796765 ^ key0
    state[3] = 0x74656462 ^ key1
    for (let index = 0; index + 4 <= token.length; index += 4) {
      const low = byteAt(token, index) | (byteAt(token, index + 1) << 8)
      this.absorb(low | (byteAt(token, index + 2) << 16) | (byteAt(token, index + 3) << 24))
    }
    this.absorb(lastWordOf(token))
    state[2] ^= 0xee
    this.mix(finishRounds)
    words[at] = (state[1] as number) ^ (state[3] as number)
    state[1] ^= 0xdd
    this.mix(finishRounds)
    words[at + 1] = (state[1] as number) ^ (state[3] as number)
  }

  private absorb(word: number): void {
    const { state } = this
    state[3] = (state[3] as number) ^ word
    this.mix(absorbRounds)
    state[0] = (state[0] as number) ^ word
  }

  /** Runs rounds of the permutation: additions, rotations and exclusive ors. */
  private mix(rounds: number): void {
    const { state } = this
    let v0 = state[0] as number
    let v1 = state[1] as number
    let v2 = state[2] as number
    let v3 = state[3] as number
    for (let round = 0; round < rounds; round += 1) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    state[0] = v0
    state[1] = v1
    state[2] = v2
    state[3] = v3
  }
}
