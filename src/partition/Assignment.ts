import { fnv1a, spreadBits } from "../account/TextHash.ts"

/** The weight with which a worker bids for a partition. */
interface Bid {
  readonly worker: string
  readonly partition: number
  readonly weight: number
}

/** Orders bids by weight, heaviest first. No two bids are equal, so every worker computes the same order. */
const heaviestFirst = (one: Bid, other: Bid): number =>
  other.weight - one.weight || one.partition - other.partition || (one.worker < other.worker ? -1 : 1)

const bidsOf = (workers: ReadonlyArray<string>, partitions: number): ReadonlyArray<Bid> =>
  workers
    .flatMap((worker) =>
      Array.from({ length: partitions }, (_, partition) => ({
        worker,
        partition,
        weight: spreadBits(fnv1a(`${worker}/${partition}`))
      }))
    )
    .toSorted(heaviestFirst)

/**
 * Assigns each partition to one of the workers by rendezvous hashing, in which each worker has room for an equal share.
 * The names of the workers must differ. The numbers of partitions of two workers differ by one at most. The result does
 * not depend on the order of the workers. The result is empty if there are no workers.
 */
export const assignmentOf = (workers: ReadonlyArray<string>, partitions: number): ReadonlyMap<number, string> => {
  const share = Math.floor(partitions / workers.length)
  let largerShares = partitions % workers.length
  const assignment = new Map<number, string>()
  const counts = new Map<string, number>()
  for (const { worker, partition } of bidsOf(workers, partitions)) {
    if (assignment.has(partition)) continue
    const count = counts.get(worker) ?? 0
    if (count > share || (count === share && largerShares === 0)) continue
    if (count === share) largerShares -= 1
    assignment.set(partition, worker)
    counts.set(worker, count + 1)
  }
  return assignment
}
