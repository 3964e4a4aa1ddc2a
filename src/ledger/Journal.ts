import { Clock, Context, Effect, Exit, Fiber, Latch, Layer } from "effect"
import { paceOf } from "../domain/Pace.ts"
import { measuredCommit } from "../metrics/Measures.ts"
import { type CommitFailure, LedgerBucket, type Write } from "../nats/LedgerBucket.ts"
import { type Batch, composeBatch } from "./Batch.ts"
import { CrashPoint } from "./CrashPoint.ts"
import { batchIsDue, loneWrite, takeLone } from "./LoneWrite.ts"
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

/** What became of a write that stood alone: of a proposal, or else of a position. */
interface Written {
  readonly epoch: CommitEpoch<unknown>
  readonly proposal: Proposal<unknown> | undefined
  readonly exit: Exit.Exit<number, CommitFailure>
}

/**
 * The one writer of accounts of a worker. While little waits, each account is written alone, which is soonest done, with
 * one write of each partition in flight; else one atomic batch is in flight, and nothing beside it, with what actors
 * propose meanwhile, so that the load sets the size of the groups. Either way everything is written under its owner's
 * guard, and after anything but success its epoch is over.
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

      /** Epochs that have a write of their own in flight, and those writes that are over. */
      const inFlight = new Set<CommitEpoch<unknown>>()
      const over: Array<Written> = []

      /** Epochs of which something is committed beyond the position that is written, and those whose position is due. */
      const ahead = new Set<CommitEpoch<unknown>>()
      const due = new Set<CommitEpoch<unknown>>()
      let positionsAreTimed = false
      let settling: Array<{ readonly epoch: CommitEpoch<unknown>; readonly done: () => void }> = []

      const writePositionsNow = () => {
        for (const epoch of ahead) due.add(epoch)
        work.openUnsafe()
      }

      const markAhead = (epoch: CommitEpoch<unknown>) => {
        ahead.add(epoch)
        if (positionsAreTimed) return
        positionsAreTimed = true
        const write = Effect.sync(() => {
          positionsAreTimed = false
          writePositionsNow()
        })
        run(Effect.forkIn(Effect.delay(write, positionWaitMilliseconds), scope))
      }

      const markUpToDate = (epoch: CommitEpoch<unknown>) => {
        ahead.delete(epoch)
        due.delete(epoch)
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
          markUpToDate(epoch)
          epoch.committed(messages)
        }
      })

      const writeAlone = (epoch: CommitEpoch<unknown>, write: Write | undefined, proposal?: Proposal<unknown>) => {
        inFlight.add(epoch)
        const end = (exit: Written["exit"]) => {
          over.push({ epoch, proposal, exit })
          work.openUnsafe()
        }
        if (write === undefined) return end(Exit.succeed(0))
        run(commit([write]).pipe(Effect.exit, Effect.map(end), Effect.forkIn(scope)))
      }

      /** Takes note of the writes that are over. What all of them have to tell goes out together. */
      const settleOver = () => {
        const advanced = new Set<CommitEpoch<unknown>>()
        for (const { epoch, proposal, exit } of over.splice(0)) {
          inFlight.delete(epoch)
          if (Exit.isFailure(exit)) epoch.failed(reasonOf(exit))
          else if (proposal === undefined) markUpToDate(epoch)
          else {
            for (const part of proposal.parts) part.remaining -= 1
            proposal.committed(exit.value)
            advanced.add(epoch)
          }
        }
        for (const epoch of advanced) {
          const messages = epoch.progress.advance()
          if (messages.length > 0) markAhead(epoch)
          epoch.committed(messages)
        }
      }

      const writeNextAlone = () => {
        for (const epoch of due) if (!inFlight.has(epoch)) writeAlone(epoch, positionWrite(epoch))
        for (const proposal of takeLone(pending, inFlight)) {
          writeAlone(proposal.epoch, loneWrite(proposal), proposal)
        }
      }

      const pace = Effect.gen(function* () {
        const rest = begun + paceOf(answeredAfter) - (yield* Clock.currentTimeMillis)
        if (rest > 0 && pending.length < batchAtOnceProposals) yield* Effect.sleep(rest)
        begun = yield* Clock.currentTimeMillis
      })

      const writeNextBatch = Effect.gen(function* () {
        yield* pace
        const batch = composeBatch(pending, due)
        if (batch.writes.length > 0) yield* commitBatch(batch)
        answeredAfter = (yield* Clock.currentTimeMillis) - begun
      })

      const round = Effect.gen(function* () {
        work.closeUnsafe()
        // Actors that were woken in this turn propose before it ends, and share the round.
        yield* Effect.yieldNow
        settleOver()
        for (const epoch of ahead) if (!epoch.isOpen()) markUpToDate(epoch)
        if (!batchIsDue(pending)) writeNextAlone()
        else if (inFlight.size === 0) yield* writeNextBatch
        tellSettled()
        // What is in flight opens it when it is over.
        const isMoreToDo = pending.length > 0 || due.size > 0
        if (isMoreToDo && inFlight.size === 0) work.openUnsafe()
      })

      const tellSettled = () => {
        const isSettled = (epoch: CommitEpoch<unknown>) => !ahead.has(epoch) || !epoch.isOpen()
        const settled = settling.filter(({ epoch }) => isSettled(epoch))
        settling = settling.filter(({ epoch }) => !isSettled(epoch))
        for (const { done } of settled) done()
      }

      yield* Effect.andThen(work.await, round).pipe(Effect.forever, Effect.forkScoped)

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
