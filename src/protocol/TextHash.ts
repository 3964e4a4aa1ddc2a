/** Returns the FNV-1a hash of the UTF-16 units of a text, as an unsigned number of 32 bits. */
export const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** Spreads the bits of a hash with the last steps of murmur3, so that texts which differ in few bits get far apart. */
export const spreadBits = (hash: number): number => {
  let spread = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35)
  return (spread ^ (spread >>> 16)) >>> 0
}
