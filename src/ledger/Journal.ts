import { Clock, Context, Effect, Fiber, Latch, Layer } from "effect"
import { paceOf } from "../domain/Pace.ts"
import { ownerKey, positionKey } from "../domain/Subject.ts"
import { batchMessagesMax, LedgerBucket, type Write } from "../nats/LedgerBucket.ts"
import { CrashPoint } from "./CrashPoint.ts"
import type { InputMessage, InputProgress } from "./InputProgress.ts"
import { encodePosition } from "./Position.ts"

/** The most bytes of one commit. */
export const commitBytesMax = 8 * 1024 * 1024

/** With this many proposals waiting the next commit begins at once; with fewer, commits begin at a pace. */
const commitAtOnceProposals = 200

/** The partition epoch under whose guard a proposal is committed. */
export interface CommitEpoch<Tag> {
  readonly partition: number
  /** The revision of `owner.<partition>` that this epoch began with. */
  readonly epoch: number
  readonly progress: InputProgress<Tag>
  readonly isOpen: () => boolean
  /** A commit holds these messages wholly. */
  readonly committed: (messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A commit of this epoch failed: what is in hand is void, a new epoch has to begin. */
  readonly failed: (reason: string) => void
}

/** What one actor, or a partition itself, wants to have written. */
export interface Proposal<Tag> {
  readonly epoch: CommitEpoch<Tag>
  readonly writes: ReadonlyArray<Write>
  /** The messages of which this finishes one part each. */
  readonly parts: ReadonlyArray<InputMessage<Tag>>
  /** Called once, when it is committed; never when the commit fails. `sequence` is that of the last write. */
  readonly committed: (sequence: number) => void
}

interface Batch {
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
 * among them, which carries the guard. Parts that the batch finishes are counted off: a batch that fails ends their
 * epoch, so nobody needs to count them back.
 */
export const composeBatch = (pending: Array<Proposal<unknown>>): Batch => {
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
    writes.push({
      key: positionKey(epoch.partition),
      value: encodePosition(epoch.progress.position),
      guard: { key: ownerKey(epoch.partition), revision: epoch.epoch }
    })
  }
  return { proposals, epochs, writes }
}

/**
 * The one writer of accounts of a worker. It has one atomic batch in flight; what actors propose meanwhile goes into
 * the next, so that the load sets the size of the groups. After anything but success the epochs in the batch are over.
 */
export class Journal extends Context.Service<
  Journal,
  {
    /** Queues a proposal. The queue is bounded by what the partitions have in hand. */
    readonly submit: <Tag>(proposal: Proposal<Tag>) => void
  }
>()("purchases/ledger/Journal") {
  static readonly layer = Layer.effect(
    Journal,
    Effect.gen(function* () {
      const bucket = yield* LedgerBucket
      const crashPoint = yield* CrashPoint
      const pending: Array<Proposal<unknown>> = []
      let begun = 0
      let answeredAfter = 0
      const proposed = Latch.makeUnsafe(false)

      const succeed = (batch: Batch, first: number) => {
        let sequence = first - 1
        for (const proposal of batch.proposals) {
          sequence += proposal.writes.length
          proposal.committed(sequence)
        }
        for (const [epoch, messages] of batch.epochs) epoch.committed(messages)
      }

      const fail = (batch: Batch, reason: string) => {
        for (const epoch of batch.epochs.keys()) epoch.failed(reason)
      }

      const commitBatch = Effect.fnUntraced(function* (batch: Batch) {
        yield* crashPoint.reached("before-commit")
        const commit = yield* Effect.forkChild(bucket.commit(batch.writes), { startImmediately: true })
        yield* crashPoint.reached("commit-sent")
        const first = yield* Fiber.join(commit)
        yield* crashPoint.reached("committed")
        succeed(batch, first)
      })

      yield* Effect.gen(function* () {
        yield* proposed.await
        // Actors that were woken in this turn propose before it ends, and share the commit.
        yield* Effect.yieldNow
        const rest = begun + paceOf(answeredAfter) - (yield* Clock.currentTimeMillis)
        if (rest > 0 && pending.length < commitAtOnceProposals) yield* Effect.sleep(rest)
        begun = yield* Clock.currentTimeMillis
        const batch = composeBatch(pending)
        if (pending.length === 0) proposed.closeUnsafe()
        if (batch.writes.length === 0) return
        yield* commitBatch(batch).pipe(
          Effect.catch((failure) => Effect.sync(() => fail(batch, failure.message))),
          Effect.catchDefect((defect) => Effect.sync(() => fail(batch, `defect: ${String(defect)}`)))
        )
        answeredAfter = (yield* Clock.currentTimeMillis) - begun
      }).pipe(Effect.forever, Effect.forkScoped)

      return Journal.of({
        submit: (proposal) => {
          pending.push(proposal as Proposal<unknown>)
          proposed.openUnsafe()
        }
      })
    })
  )
}
