import { Clock, Context, Effect, Exit, Fiber, Latch, Layer } from "effect"
import { paceOf } from "../domain/Pace.ts"
import { measuredCommit } from "../metrics/Measures.ts"
import { type CommitFailure, LedgerBucket, type Write } from "../nats/LedgerBucket.ts"
import { type Batch, composeBatch } from "./Batch.ts"
import { CrashPoint } from "./CrashPoint.ts"
import { loneWrite, takeLone } from "./LoneWrite.ts"
import { positionWrite } from "./Position.ts"
import type { CommitEpoch, Proposal } from "./Proposal.ts"

/** With this many proposals waiting the next batch begins at once; with fewer, batches begin at a pace. */
const batchAtOnceProposals = 200
/**
 * After writes that stood alone, the positions follow within this time. A new owner reads again what came since: its
 * accounts know it, so that costs time and changes nothing.
 */
const positionWaitMilliseconds = 100

const reasonOf = (exit: Exit.Failure<unknown, CommitFailure>): string => {
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "Some" ? failure.value.message : `defect: ${String(exit.cause)}`
}

/**
 * The one writer of accounts of a worker. While little waits, each account is written alone, which is soonest done; else
 * one atomic batch is in flight with what actors propose meanwhile, so that the load sets the size of the groups. Either
 * way everything is written under its owner's guard, and after anything but success its epoch is over.
 */
export class Journal extends Context.Service<
  Journal,
  {
    /** Queues a proposal. The queue is bounded by what the partitions have in hand. */
    readonly submit: <Tag>(proposal: Proposal<Tag>) => void
    /** Waits until the position of an epoch is written, or the epoch over. */
    readonly settle: <Tag>(epoch: CommitEpoch<Tag>) => Effect.Effect<void>
  }
>()("purchases/ledger/Journal") {
  static readonly layer = Layer.effect(
    Journal,
    Effect.gen(function* () {
      const bucket = yield* LedgerBucket
      const crashPoint = yield* CrashPoint
      const scope = yield* Effect.scope
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const pending: Array<Proposal<unknown>> = []
      const work = Latch.makeUnsafe(false)
      let begun = 0
      let answeredAfter = 0

      /** Epochs of which something is committed beyond the position that is written. */
      const ahead = new Set<CommitEpoch<unknown>>()
      let positionsAreDue = false
      let settling: Array<{ readonly epoch: CommitEpoch<unknown>; readonly done: () => void }> = []

      const writePositionsNow = () => {
        positionsAreDue = true
        work.openUnsafe()
      }

      const isAhead = (epoch: CommitEpoch<unknown>) => {
        if (ahead.size === 0)
          run(Effect.forkIn(Effect.delay(Effect.sync(writePositionsNow), positionWaitMilliseconds), scope))
        ahead.add(epoch)
      }

      const commit = Effect.fnUntraced(function* (writes: ReadonlyArray<Write>) {
        yield* crashPoint.reached("before-commit")
        const committing = yield* Effect.forkChild(measuredCommit(writes.length, bucket.commit(writes)), {
          startImmediately: true
        })
        yield* crashPoint.reached("commit-sent")
        const first = yield* Fiber.join(committing)
        yield* crashPoint.reached("committed")
        return first
      })

      const commitBatch = Effect.fnUntraced(function* (batch: Batch) {
        const exit = yield* Effect.exit(commit(batch.writes))
        if (Exit.isFailure(exit)) {
          for (const epoch of batch.epochs.keys()) epoch.failed(reasonOf(exit))
          return
        }
        let sequence = exit.value - 1
        for (const proposal of batch.proposals) {
          sequence += proposal.writes.length
          proposal.committed(sequence)
        }
        for (const [epoch, messages] of batch.epochs) {
          ahead.delete(epoch)
          epoch.committed(messages)
        }
      })

      const commitAlone = Effect.fnUntraced(function* (proposals: ReadonlyArray<Proposal<unknown>>) {
        const outcomes = yield* Effect.forEach(
          proposals,
          (proposal) => {
            const write = loneWrite(proposal)
            const written = write === undefined ? Effect.succeed(0) : commit([write])
            return Effect.map(Effect.exit(written), (exit) => ({ proposal, exit }))
          },
          { concurrency: "unbounded" }
        )
        const advanced: Array<CommitEpoch<unknown>> = []
        for (const { proposal, exit } of outcomes) {
          const { epoch, parts } = proposal
          if (Exit.isFailure(exit)) {
            epoch.failed(reasonOf(exit))
            continue
          }
          for (const part of parts) part.remaining -= 1
          proposal.committed(exit.value)
          advanced.push(epoch)
        }
        // Only then, so that what all of them have to tell goes out together.
        for (const epoch of advanced) {
          const messages = epoch.progress.advance()
          if (messages.length > 0) isAhead(epoch)
          epoch.committed(messages)
        }
      })

      const writePosition = Effect.fnUntraced(function* (epoch: CommitEpoch<unknown>) {
        const exit = yield* Effect.exit(commit([positionWrite(epoch)]))
        ahead.delete(epoch)
        if (Exit.isFailure(exit)) epoch.failed(reasonOf(exit))
      })

      /** The positions that are due, but for those of partitions that have something else in flight. */
      const duePositions = (proposals: ReadonlyArray<Proposal<unknown>>): ReadonlyArray<CommitEpoch<unknown>> => {
        if (!positionsAreDue) return []
        for (const epoch of ahead) if (!epoch.isOpen()) ahead.delete(epoch)
        const busy = new Set(proposals.map(({ epoch }) => epoch))
        return [...ahead].filter((epoch) => !busy.has(epoch))
      }

      const pace = Effect.gen(function* () {
        const rest = begun + paceOf(answeredAfter) - (yield* Clock.currentTimeMillis)
        if (rest > 0 && pending.length < batchAtOnceProposals) yield* Effect.sleep(rest)
        begun = yield* Clock.currentTimeMillis
      })

      const round = Effect.gen(function* () {
        // Actors that were woken in this turn propose before it ends, and share the round.
        yield* Effect.yieldNow
        const alone = takeLone(pending)
        if (alone === undefined) {
          yield* pace
          const batch = composeBatch(pending)
          if (batch.writes.length > 0) yield* commitBatch(batch)
          answeredAfter = (yield* Clock.currentTimeMillis) - begun
          return
        }
        const positions = duePositions(alone)
        yield* Effect.all([commitAlone(alone), ...positions.map(writePosition)], {
          concurrency: "unbounded",
          discard: true
        })
      })

      const finishRound = () => {
        const isSettled = (epoch: CommitEpoch<unknown>) => !ahead.has(epoch) || !epoch.isOpen()
        const settled = settling.filter(({ epoch }) => isSettled(epoch))
        settling = settling.filter(({ epoch }) => !isSettled(epoch))
        for (const { done } of settled) done()
        if (ahead.size === 0) positionsAreDue = false
        if (pending.length === 0 && !positionsAreDue) work.closeUnsafe()
      }

      yield* Effect.andThen(work.await, round).pipe(
        Effect.andThen(Effect.sync(finishRound)),
        Effect.forever,
        Effect.forkScoped
      )

      return Journal.of({
        submit: (proposal) => {
          pending.push(proposal as Proposal<unknown>)
          work.openUnsafe()
        },
        settle: (epoch) =>
          Effect.callback<void>((resume) => {
            settling.push({ epoch: epoch as CommitEpoch<unknown>, done: () => resume(Effect.void) })
            writePositionsNow()
          })
      })
    })
  )
}
