import { fnv1a, spreadBits } from "../account/TextHash.ts"

/**
 * Returns the worker that a partition belongs to, by rendezvous hashing; `undefined` if there are no workers. Each
 * worker has a weight for each partition. The heaviest worker gets the partition. A worker that joins or leaves moves
 * only its own partitions.
 */
export const workerOf = (partition: number, workers: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let bestWeight = -1
  for (const worker of workers) {
    const weight = spreadBits(fnv1a(`${worker}/${partition}`))
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && worker < best)) {
      best = worker
      bestWeight = weight
    }
  }
  return best
}

/** Returns the partitions that belong to `worker`, if `workers` are the workers that are alive. */
export const partitionsOf = (worker: string, workers: ReadonlyArray<string>, partitions: number): Set<number> => {
  const mine = new Set<number>()
  for (let partition = 0; partition < partitions; partition += 1) {
    if (workerOf(partition, workers) === worker) mine.add(partition)
  }
  return mine
}
