import { batchMessagesMax, type Write } from "../nats/LedgerBucket.ts"
import type { InputMessage } from "./InputProgress.ts"
import { positionWrite } from "./Position.ts"
import type { CommitEpoch, Proposal } from "./Proposal.ts"

/** The most bytes of one batch. */
export const commitBytesMax = 8 * 1024 * 1024

/** One atomic batch: all of it is written, or nothing. */
export interface Batch {
  readonly proposals: ReadonlyArray<Proposal<unknown>>
  readonly epochs: ReadonlyMap<CommitEpoch<unknown>, ReadonlyArray<InputMessage<unknown>>>
  readonly writes: ReadonlyArray<Write>
}

const bytesOf = (writes: ReadonlyArray<Write>): number => {
  let bytes = 0
  for (const write of writes) bytes += write.value.length + write.key.length + 256
  return bytes
}

/**
 * Takes proposals for one commit from the front of the queue, as many as fit, and adds the position of each partition
 * among them, which carries the guard; and those positions that are due, as far as there is room, because under a load
 * of batches nothing is written alone. Parts that the batch finishes are counted off: a batch that fails ends their
 * epoch, so nobody needs to count them back.
 */
export const composeBatch = (pending: Array<Proposal<unknown>>, due: Iterable<CommitEpoch<unknown>> = []): Batch => {
  const proposals: Array<Proposal<unknown>> = []
  const writes: Array<Write> = []
  const epochs = new Map<CommitEpoch<unknown>, ReadonlyArray<InputMessage<unknown>>>()
  let bytes = 0
  let taken = 0
  for (const proposal of pending) {
    if (proposal.epoch.isOpen()) {
      const room = batchMessagesMax - writes.length - epochs.size - (epochs.has(proposal.epoch) ? 0 : 1)
      const size = bytesOf(proposal.writes)
      if (proposals.length === 0 && proposal.writes.length > room) {
        // Its own bounds keep every proposal below this; one that did not would stop all others for ever.
        proposal.epoch.failed(`a proposal of ${proposal.writes.length} writes does not fit into a batch`)
        taken += 1
        continue
      }
      if (proposal.writes.length > room || (proposals.length > 0 && bytes + size > commitBytesMax)) break
      bytes += size
      proposals.push(proposal)
      writes.push(...proposal.writes)
      epochs.set(proposal.epoch, [])
      for (const part of proposal.parts) part.remaining -= 1
    }
    taken += 1
  }
  pending.splice(0, taken)
  for (const epoch of epochs.keys()) {
    epochs.set(epoch, epoch.progress.advance())
    writes.push(positionWrite(epoch))
  }
  for (const epoch of due) {
    if (epochs.has(epoch) || !epoch.isOpen() || writes.length >= batchMessagesMax) continue
    epochs.set(epoch, [])
    writes.push(positionWrite(epoch))
  }
  return { proposals, epochs, writes }
}
