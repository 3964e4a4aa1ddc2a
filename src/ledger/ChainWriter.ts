import { Effect, Exit, Latch, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { type CommitHead, encodeCommit } from "../protocol/Commit.ts"
import { measuredCommit } from "../metrics/Measures.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { failureOf } from "../runtime/ExitFailure.ts"
import { CrashPoint, writeBetween } from "./CrashPoint.ts"
import type { InputMessage, InputProgress } from "./InputProgress.ts"
import { makeOwnerProof } from "./OwnerProof.ts"
import { ProposalQueue, type RevisionProposal } from "./ProposalQueue.ts"

/** The epoch for which a chain is written, and the functions that the writer calls. */
export interface ChainEpoch<Tag> {
  readonly partition: number
  readonly worker: string
  /** The sequence of the take-over record. */
  readonly epoch: number
  readonly progress: InputProgress<Tag>
  readonly isOpen: () => boolean
  /**
   * Called when a commit is durable, before the `committed` functions of the commit's proposals are called. The
   * arguments of `stored` are the users of the commit's revisions, and the commit's sequence.
   */
  readonly stored: (userTokens: ReadonlyArray<string>, sequence: number) => void
  /**
   * Called when a commit is durable, after the `committed` functions of the commit's proposals were called. The
   * argument `messages` has the messages that the new position passes: these messages are wholly committed. The argument
   * `purchases` is the number of purchases of the commit's proposals.
   */
  readonly committed: (messages: ReadonlyArray<InputMessage<Tag>>, purchases: number) => void
  /**
   * Called when a commit failed, or when the outcome of the commit is unknown. After a failed commit the epoch can
   * commit no more purchases, and a new epoch has to begin.
   */
  readonly failed: (reason: string) => void
}

/** The one writer of a partition's chain in one epoch. */
export interface ChainWriter<Tag> {
  /** Queues a proposal. The queue of proposals needs no bound of its own, because the input in hand is bounded. */
  readonly submit: (proposal: RevisionProposal<Tag>) => void
  /** Waits until no proposal is queued and no commit is in flight, or the epoch is over. */
  readonly settled: Effect.Effect<void>
  /**
   * Returns whether this epoch still owned the partition at some moment after the call. If the epoch publishes a commit
   * after the call, the acknowledgement of this commit is the proof. If the epoch publishes no commit, asks the leader
   * of the journal for a message of the chain after the epoch's newest commit.
   */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

const reasonOf = (exit: Exit.Failure<unknown, { readonly message: string }>): string =>
  failureOf(exit)?.message ?? `defect: ${String(exit.cause)}`

/** Finishes the parts of messages that proposals have. Returns the number of purchases of the proposals. */
const finishParts = (proposals: ReadonlyArray<RevisionProposal<unknown>>): number => {
  let finished = 0
  for (const { parts, purchases } of proposals) {
    for (const part of parts) part.remaining -= 1
    finished += purchases
  }
  return finished
}

/**
 * Writes the chain of a partition until the Effect scope closes. One commit is in flight, and each commit expects the sequence
 * of the commit before it. Proposals that come while a commit is in flight share the next commit. The size of commits
 * thus grows with the load.
 */
export const openChainWriter = <Tag>(
  epoch: ChainEpoch<Tag>
): Effect.Effect<ChainWriter<Tag>, never, CommitChain | Scope.Scope> =>
  Effect.gen(function* () {
    const chain = yield* CommitChain
    const crashPoint = yield* CrashPoint
    const queue = new ProposalQueue<Tag>()
    const work = Latch.makeUnsafe(false)
    let isInFlight = false
    let newest = epoch.epoch
    let settling: Array<() => void> = []
    const proof = yield* makeOwnerProof(epoch, () => newest)

    const append = Effect.fnUntraced(function* (position: number, lines: ReadonlyArray<string>) {
      const head: CommitHead = { kind: "commit", epoch: epoch.epoch, worker: epoch.worker, position }
      yield* crashPoint.reached("before-commit")
      const appending = chain.append(epoch.partition, encodeCommit(head, lines), newest)
      return yield* writeBetween(["commit-sent", "committed"], measuredCommit(lines.length, appending))
    })

    const commitNext = Effect.gen(function* () {
      const { proposals, lines, userTokens } = queue.takeCommit()
      const purchases = finishParts(proposals)
      const messages = epoch.progress.advance()
      const prove = proof.publishing()
      isInFlight = true
      const exit = yield* Effect.exit(append(epoch.progress.position, lines))
      isInFlight = false
      prove(Exit.isSuccess(exit))
      if (Exit.isFailure(exit)) return epoch.failed(reasonOf(exit))
      newest = exit.value
      epoch.stored(userTokens, newest)
      for (const proposal of proposals) proposal.committed(newest)
      epoch.committed(messages, purchases)
    })

    const died = (defect: unknown) => Effect.sync(() => epoch.failed(`a commit died: ${String(defect)}`))

    const tellSettled = () => {
      if (epoch.isOpen() && !queue.isEmpty) return
      for (const done of settling) done()
      settling = []
    }

    const round = Effect.gen(function* () {
      work.closeUnsafe()
      // Actors that wake in this turn of the event loop propose revisions before the turn ends, and share the commit.
      yield* Effect.yieldNow
      if (epoch.isOpen() && !queue.isEmpty) yield* Effect.catchDefect(commitNext, died)
      tellSettled()
      if (!epoch.isOpen()) return yield* Effect.never
      if (!queue.isEmpty) work.openUnsafe()
    })
    yield* Effect.andThen(work.await, round).pipe(Effect.forever, Effect.forkScoped)

    return {
      submit: (proposal) => {
        queue.add(proposal)
        work.openUnsafe()
      },
      settled: Effect.callback<void>((resume) => {
        if ((queue.isEmpty && !isInFlight) || !epoch.isOpen()) return resume(Effect.void)
        settling.push(() => resume(Effect.void))
      }),
      stillOwner: Effect.suspend(() => {
        if (!epoch.isOpen()) return Effect.succeed(false)
        return queue.isEmpty ? proof.byLeader : proof.byNextCommit
      })
    }
  })
