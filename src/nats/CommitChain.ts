import { Context, Deferred, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { commitSubject, journalPrefix, journalStream, segmentSubject } from "../protocol/Subject.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection, leaderCutOff } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"
import { readReplicaAt } from "./client/ReplicaRead.ts"
import { makeFifoSemaphore } from "./client/FifoSemaphore.ts"

/**
 * The most messages of one subject of the journal: more messages than any chain has. The nats CLI refuses a bucket
 * whose history has no limit.
 */
const historyMax = 1_000_000_000_000
/**
 * The most reads of the journal that one process has in flight. If a process had more reads in flight, the broker would
 * treat the process as a slow consumer.
 */
export const chainReadsMax = 32
/**
 * The most commits of one page, and approximately the most bytes of one page. Pages are small, because the broker
 * writes nothing while it reads a page.
 */
const pageCommitsMax = 64
const pageBytesMax = 1024 * 1024

/** Returns the configuration with which the setup creates the journal. Without `bytesMax` the journal has no bound. */
export const journalConfig = (replicas: number, bytesMax = -1) => ({
  name: journalStream,
  description: "The commit chain of each partition, and sealed parts of accounts' purchaseId sets",
  subjects: [`${journalPrefix}>`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_bytes: bytesMax,
  max_msgs_per_subject: historyMax,
  num_replicas: replicas,
  allow_direct: true,
  deny_delete: true
})

/** A commit or a segment, with its sequence in the journal. */
export interface JournalRecord {
  readonly sequence: number
  /** The time at which the broker stored the record, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

const recordOf = ({ sequence, storedAt, text }: StoredMessage): JournalRecord => ({ sequence, storedAt, text })

/**
 * Returns a function that reads the record at a sequence. A record never changes, so callers that ask for the same
 * sequence at the same time share one read. A shared read goes on even if its first caller is interrupted. All shared
 * reads end when the caller's scope closes.
 */
const shareReads = <A, E>(
  read: (sequence: number) => Effect.Effect<A, E>
): Effect.Effect<(sequence: number) => Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.map(forkInScope(), (fork) => {
    const underWay = new Map<number, Deferred.Deferred<A, E>>()
    return (sequence) =>
      Effect.suspend(() => {
        const shared = underWay.get(sequence)
        if (shared !== undefined) return Deferred.await(shared)
        const reading = Deferred.makeUnsafe<A, E>()
        underWay.set(sequence, reading)
        const answered = Effect.onExit(read(sequence), (exit) =>
          Effect.sync(() => {
            underWay.delete(sequence)
            Deferred.doneUnsafe(reading, exit)
          })
        )
        fork(answered)
        return Deferred.await(reading)
      })
  })

/** Reads and appends the commits of each partition in the bucket `journal`. An append that has succeeded is durable. */
export class CommitChain extends Context.Service<
  CommitChain,
  {
    /** Returns the newest commit of a partition, read from the leader; `undefined` before the first commit. */
    readonly newest: (partition: number) => Effect.Effect<JournalRecord | undefined, BrokerFailure>
    /**
     * Appends a commit behind the commit at `after` (0 for the first commit), and returns the sequence of the new
     * commit. Fails with `CommitConflict` if the newest commit of the chain is not the commit at `after`. The condition
     * `after` is the compare-and-set of all accounts in the commit, and the fencing against old owners.
     */
    readonly append: (
      partition: number,
      commit: string,
      after: number
    ) => Effect.Effect<number, BrokerFailure | CommitConflict>
    /** Stores a segment, and returns its sequence. A stored segment that no commit names is never read. */
    readonly seal: (partition: number, segment: string) => Effect.Effect<number, BrokerFailure>
    /**
     * Returns the record at a sequence; `undefined` if the journal has no record at the sequence. A record never
     * changes.
     */
    readonly at: (sequence: number) => Effect.Effect<JournalRecord | undefined, BrokerFailure>
    /**
     * Returns the next commits of a partition from a sequence on. The list is empty only if the leader has no commit
     * from the sequence on.
     */
    readonly page: (partition: number, from: number) => Effect.Effect<ReadonlyArray<JournalRecord>, BrokerFailure>
    /**
     * Returns the first commit of a partition after a sequence, read from the leader; `undefined` if the partition has
     * no commit after the sequence. Fails if the leader has no commit after the sequence, and may be a former leader that
     * was cut off.
     */
    readonly next: (partition: number, after: number) => Effect.Effect<JournalRecord | undefined, BrokerFailure>
  }
>()("purchases/nats/CommitChain") {
  static readonly layer = Layer.effect(
    CommitChain,
    Effect.gen(function* () {
      const connection = yield* Connection
      const inTurn = makeFifoSemaphore(chainReadsMax)

      const fromLeader = (query: object) =>
        Effect.map(readMessage(connection, journalStream, query), (found) => found && recordOf(found))

      const at = yield* shareReads((sequence) =>
        readReplicaAt(connection, journalStream, sequence).pipe(
          // The replica may lack the record, or may be unable to send the record. A record that the replica does not
          // send is read from the leader.
          Effect.catch(() => Effect.undefined),
          Effect.flatMap((found) => (found ? Effect.succeed(recordOf(found)) : fromLeader({ seq: sequence }))),
          inTurn
        )
      )

      const next = (partition: number, after: number) =>
        Effect.filterOrFail(
          fromLeader({ seq: after + 1, next_by_subj: commitSubject(partition) }),
          (found) => found !== undefined || connection.areLeadersCurrent(),
          () => leaderCutOff("read the journal")
        )

      const page = (partition: number, from: number) =>
        readPage(connection, journalStream, {
          subject: commitSubject(partition),
          from,
          messagesMax: pageCommitsMax,
          bytesMax: pageBytesMax
        }).pipe(
          Effect.map((commits) => commits.map(recordOf)),
          inTurn
        )

      return CommitChain.of({
        newest: (partition) => fromLeader({ last_by_subj: commitSubject(partition) }),
        append: (partition, commit, after) =>
          appendMessage(connection, {
            operation: "commit",
            subject: commitSubject(partition),
            payload: commit,
            after
          }),
        seal: (partition, segment) =>
          appendMessage(connection, {
            operation: "seal",
            subject: segmentSubject(partition),
            payload: segment
          }).pipe(Effect.catchTag("CommitConflict", (lost) => Effect.die(lost))),
        at,
        page,
        next
      })
    })
  )
}
