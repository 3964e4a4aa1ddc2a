/** A well-mixed 32-bit hash of a text: FNV-1a, and then murmur3's finalizer, for names here differ in few bits. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/**
 * The worker that a partition belongs to, by rendezvous hashing: each worker has a weight for each partition, and the
 * heaviest has it. A worker that joins or leaves moves only the partitions that it wins or had.
 */
export const workerOf = (partition: number, workers: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let bestWeight = -1
  for (const worker of workers) {
    const weight = hashOf(`${worker}/${partition}`)
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && worker < best)) {
      best = worker
      bestWeight = weight
    }
  }
  return best
}

/** The partitions of one worker among those that live. */
export const partitionsOf = (worker: string, workers: ReadonlyArray<string>, partitions: number): Set<number> => {
  const mine = new Set<number>()
  for (let partition = 0; partition < partitions; partition += 1) {
    if (workerOf(partition, workers) === worker) mine.add(partition)
  }
  return mine
}
