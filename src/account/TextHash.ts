/** The initial value of FNV-1a. */
export const fnvOffset = 0x811c9dc5

/** Returns an FNV-1a hash after one more unit, as a signed number of 32 bits. */
export const fnvStep = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193)

/** Returns the FNV-1a hash of the UTF-16 units of a text, as an unsigned number of 32 bits. */
export const fnv1a = (text: string): number => {
  let hash = fnvOffset
  for (let index = 0; index < text.length; index += 1) hash = fnvStep(hash, text.charCodeAt(index))
  return hash >>> 0
}

/** Returns a hash with the first multiplier of murmur3 after one more unit, as a signed number of 32 bits. */
export const murmurStep = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x85ebca6b)

/**
 * Returns a fingerprint of 53 bits of two texts and three amounts. The fingerprint combines two multiplicative hashes:
 * FNV-1a, and a hash with a multiplier of murmur3. Both hashes run over the UTF-16 units of the texts, the length of
 * each text, and the amounts.
 */
export const textsFingerprint = (one: string, other: string, ...amounts: readonly [number, number, number]): number => {
  let low = fnvOffset
  let high = 0x9747b28c
  for (const text of [one, other]) {
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      low = fnvStep(low, unit)
      high = murmurStep(high, unit)
    }
    low = fnvStep(low, text.length)
    high = murmurStep(high, text.length)
  }
  for (const amount of amounts) {
    low = fnvStep(low, amount)
    high = murmurStep(high, amount)
    low ^= low >>> 15
    high ^= high >>> 13
  }
  return ((high >>> 0) & 0x1fffff) * 0x1_0000_0000 + (low >>> 0)
}

/**
 * Spreads the bits of a hash with the last steps of murmur3. After the spreading, texts that differ in few bits have
 * distant hashes.
 */
export const spreadBits = (hash: number): number => {
  let spread = murmurStep(hash, hash >>> 16)
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35)
  return (spread ^ (spread >>> 16)) >>> 0
}
