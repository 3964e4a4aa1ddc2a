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

/** Returns a second hash after one more unit, with the first multiplier of murmur3, as a signed number of 32 bits. */
export const murmurStep = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x85ebca6b)

/** Spreads the bits of a hash with the last steps of murmur3. Texts that differ in few bits then get distant hashes. */
export const spreadBits = (hash: number): number => {
  let spread = murmurStep(hash, hash >>> 16)
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35)
  return (spread ^ (spread >>> 16)) >>> 0
}
