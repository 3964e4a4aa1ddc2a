import type { Write } from "../nats/LedgerBucket.ts"
import { ownerGuard } from "./Position.ts"
import type { CommitEpoch, Proposal } from "./Proposal.ts"

/** With more proposals of one partition waiting, a batch is sooner done than one write after the other. */
export const loneWaitingMax = 2

/**
 * Takes from the queue what is written next without a batch: one proposal of each partition, because on three replicas
 * two writes under one guard collide. Nothing when a batch is due: much waits, or something that has to be written as
 * one.
 */
export const takeLone = (pending: Array<Proposal<unknown>>): ReadonlyArray<Proposal<unknown>> | undefined => {
  const waiting = new Map<CommitEpoch<unknown>, number>()
  const taken: Array<Proposal<unknown>> = []
  const left: Array<Proposal<unknown>> = []
  for (const proposal of pending) {
    const { epoch, writes } = proposal
    if (!epoch.isOpen()) continue
    const before = waiting.get(epoch) ?? 0
    if (writes.length > 1 || before >= loneWaitingMax) return undefined
    waiting.set(epoch, before + 1)
    if (before === 0) taken.push(proposal)
    else left.push(proposal)
  }
  pending.splice(0, pending.length, ...left)
  return taken
}

/**
 * A write that stands alone has room for one condition. It is the guard: whatever an old owner sends, or a broker stores
 * late, is refused by it, and within an epoch an account has one actor, which writes one revision after the other.
 */
export const loneWrite = ({ epoch, writes }: Proposal<unknown>): Write | undefined => {
  const [write] = writes
  return write === undefined ? undefined : { key: write.key, value: write.value, guard: ownerGuard(epoch) }
}
