import type { Write } from "../nats/LedgerBucket.ts"
import { ownerGuard } from "./Position.ts"
import type { CommitEpoch, Proposal } from "./Proposal.ts"

/**
 * With more waiting, one batch is sooner done than one write after the other: it takes the broker as long as some thirty
 * writes, whatever is in it, for it makes, syncs and removes a store for each (measured with a file store, synced always).
 */
export const loneWaitingMax = 24
/** Those of one partition go one after the other, each as long as the broker and the way to it take. */
export const loneOfPartitionMax = 8

/** Whether what waits is to be written as one: it is much, or something of it must be. */
export const batchIsDue = (pending: ReadonlyArray<Proposal<unknown>>): boolean => {
  const ofPartition = new Map<CommitEpoch<unknown>, number>()
  let waiting = 0
  for (const { epoch, writes } of pending) {
    if (!epoch.isOpen()) continue
    waiting += 1
    const ofThis = (ofPartition.get(epoch) ?? 0) + 1
    ofPartition.set(epoch, ofThis)
    if (writes.length > 1 || waiting > loneWaitingMax || ofThis > loneOfPartitionMax) return true
  }
  return false
}

/**
 * Takes from the queue what is written next without a batch: the first proposal of each partition that has nothing in
 * flight, because on three replicas two writes under one guard collide.
 */
export const takeLone = (
  pending: Array<Proposal<unknown>>,
  inFlight: ReadonlySet<CommitEpoch<unknown>>
): ReadonlyArray<Proposal<unknown>> => {
  const taken = new Map<CommitEpoch<unknown>, Proposal<unknown>>()
  const left: Array<Proposal<unknown>> = []
  for (const proposal of pending) {
    const { epoch } = proposal
    if (!epoch.isOpen()) continue
    if (inFlight.has(epoch) || taken.has(epoch)) left.push(proposal)
    else taken.set(epoch, proposal)
  }
  pending.splice(0, pending.length, ...left)
  return [...taken.values()]
}

/**
 * A write that stands alone has room for one condition. It is the guard: whatever an old owner sends, or a broker stores
 * late, is refused by it, and within an epoch an account has one actor, which writes one revision after the other.
 */
export const loneWrite = ({ epoch, writes }: Proposal<unknown>): Write | undefined => {
  const [write] = writes
  return write === undefined ? undefined : { key: write.key, value: write.value, guard: ownerGuard(epoch) }
}
