import { Deferred, Effect, Exit, Latch, type Scope } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { type CommitHead, encodeCommit, headOf } from "../domain/Commit.ts"
import { measuredCommit } from "../metrics/Measures.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { CrashPoint, writeBetween } from "./CrashPoint.ts"
import type { InputMessage, InputProgress } from "./InputProgress.ts"
import { makeSharedRead } from "./SharedRead.ts"

/** A commit takes no further revision with so many bytes, or so many revisions. A revision that is larger goes alone. */
export const commitBytesMax = 128 * 1024
export const commitRevisionsMax = 1_000

/** What an actor, or the partition itself, wants to have in the next commit. */
export interface RevisionProposal<Tag> {
  readonly userToken: string
  /** The line of the revision; `undefined` if the input was decided before and only its position is to advance. */
  readonly line: string | undefined
  /** The messages of which this finishes one part each. */
  readonly parts: ReadonlyArray<InputMessage<Tag>>
  /** Called once with the sequence of the commit when it is durable; never if the commit fails. */
  readonly committed: (sequence: number) => void
}

/** The epoch in whose name a chain is written. */
export interface ChainEpoch<Tag> {
  readonly partition: number
  readonly worker: string
  /** The sequence of the take-over record. */
  readonly epoch: number
  readonly progress: InputProgress<Tag>
  readonly isOpen: () => boolean
  /** Told of a durable commit before anybody else: the users of its revisions, and its sequence. */
  readonly stored: (userTokens: ReadonlyArray<string>, sequence: number) => void
  /** Told after those who proposed: the messages that are wholly committed. */
  readonly committed: (messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A commit was anything but a success: what is in hand is void, and a new epoch has to begin. */
  readonly failed: (reason: string) => void
}

/** Takes proposals from the front of a queue, as many as one commit holds; at least one. */
export const takeCommit = <Tag>(pending: Array<RevisionProposal<Tag>>): ReadonlyArray<RevisionProposal<Tag>> => {
  let bytes = 0
  let revisions = 0
  let taken = 0
  for (const { line } of pending) {
    const size = line === undefined ? 0 : Buffer.byteLength(line) + 1
    const isFull = bytes + size > commitBytesMax || revisions === commitRevisionsMax
    if (size > 0 && revisions > 0 && isFull) break
    bytes += size
    if (size > 0) revisions += 1
    taken += 1
  }
  return pending.splice(0, taken)
}

/** The one writer of a partition's chain in one epoch. */
export interface ChainWriter<Tag> {
  /** Queues a proposal. The queue is bounded by what the partition has in hand. */
  readonly submit: (proposal: RevisionProposal<Tag>) => void
  /** Waits until nothing is queued or in flight, or the epoch is over. */
  readonly settled: Effect.Effect<void>
  /**
   * Whether this epoch still owns the partition at some moment after it was asked. The acknowledgement of a commit that
   * is published after the question proves it; without such a commit the leader is asked for a later one.
   */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

const reasonOf = (exit: Exit.Failure<unknown, { readonly message: string }>): string => {
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "Some" ? failure.value.message : `defect: ${String(exit.cause)}`
}

/**
 * Writes the chain of a partition until the scope closes: one commit in flight, each under the sequence of the one before
 * it. What is proposed meanwhile shares the next commit, so that the load sets the size of commits.
 */
export const openChainWriter = <Tag>(
  epoch: ChainEpoch<Tag>
): Effect.Effect<ChainWriter<Tag>, never, CommitChain | Scope.Scope> =>
  Effect.gen(function* () {
    const chain = yield* CommitChain
    const crashPoint = yield* CrashPoint
    const pending: Array<RevisionProposal<Tag>> = []
    const work = Latch.makeUnsafe(false)
    /** Those who wait for the next commit that is published, and those for the one in flight. */
    let awaitingNext: Array<Deferred.Deferred<boolean>> = []
    let isInFlight = false
    let newest = epoch.epoch
    let settling: Array<() => void> = []

    const append = Effect.fnUntraced(function* (commit: string, revisions: number) {
      yield* crashPoint.reached("before-commit")
      const appending = measuredCommit(revisions, chain.append(epoch.partition, commit, newest))
      return yield* writeBetween(["commit-sent", "committed"], appending)
    })

    const commitNext = Effect.gen(function* () {
      const proposals = takeCommit(pending)
      const lines: Array<string> = []
      const userTokens: Array<string> = []
      for (const { line, userToken, parts } of proposals) {
        for (const part of parts) part.remaining -= 1
        if (line === undefined) continue
        lines.push(line)
        userTokens.push(userToken)
      }
      const messages = epoch.progress.advance()
      const { worker, progress } = epoch
      const head: CommitHead = { kind: "commit", epoch: epoch.epoch, worker, position: progress.position }
      const proved = awaitingNext
      awaitingNext = []
      isInFlight = true
      const exit = yield* Effect.exit(append(encodeCommit(head, lines), lines.length))
      isInFlight = false
      for (const waiting of proved) Deferred.doneUnsafe(waiting, Effect.succeed(Exit.isSuccess(exit)))
      if (Exit.isFailure(exit)) return epoch.failed(reasonOf(exit))
      newest = exit.value
      epoch.stored(userTokens, newest)
      for (const proposal of proposals) proposal.committed(newest)
      epoch.committed(messages)
    })

    const tellSettled = () => {
      if (epoch.isOpen() && pending.length > 0) return
      for (const done of settling) done()
      settling = []
    }

    const round = Effect.gen(function* () {
      work.closeUnsafe()
      // Actors that were woken in this turn propose before it ends, and share the commit.
      yield* Effect.yieldNow
      if (epoch.isOpen() && pending.length > 0) yield* commitNext
      tellSettled()
      if (!epoch.isOpen()) return yield* Effect.never
      if (pending.length > 0) work.openUnsafe()
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const waiting of awaitingNext) Deferred.doneUnsafe(waiting, Effect.succeed(false))
      })
    )
    yield* Effect.andThen(work.await, round).pipe(Effect.forever, Effect.forkScoped)

    const nextCommit = Effect.suspend(() => {
      const waiting = Deferred.makeUnsafe<boolean>()
      awaitingNext.push(waiting)
      return Deferred.await(waiting)
    })

    /** Asks the leader for a commit after one. The commit in flight may be there already: it is this epoch's own. */
    const isNewest = (after: number): Effect.Effect<boolean, BrokerFailure> =>
      Effect.flatMap(chain.next(epoch.partition, after), (later) => {
        if (later === undefined) return Effect.succeed(true)
        return headOf(later.text).epoch === epoch.epoch ? isNewest(later.sequence) : Effect.succeed(false)
      })

    const isStillNewest = yield* makeSharedRead(Effect.suspend(() => isNewest(newest)))

    return {
      submit: (proposal) => {
        pending.push(proposal)
        work.openUnsafe()
      },
      settled: Effect.callback<void>((resume) => {
        if ((pending.length === 0 && !isInFlight) || !epoch.isOpen()) return resume(Effect.void)
        settling.push(() => resume(Effect.void))
      }),
      stillOwner: Effect.suspend(() => {
        if (!epoch.isOpen()) return Effect.succeed(false)
        return pending.length > 0 ? nextCommit : isStillNewest
      })
    }
  })
