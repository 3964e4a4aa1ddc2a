import { Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { encodeCommit, headOf } from "../protocol/Commit.ts"
import { CommitChain, type JournalRecord } from "../nats/CommitChain.ts"
import type { CommitConflict } from "../nats/client/ConditionalAppend.ts"

/**
 * The most attempts of a take-over, if another commit comes first at each attempt. After the last attempt the take-over
 * fails, and the partition waits for its next epoch.
 */
const attemptsMax = 10

/** The number of an epoch, and the position at which the epoch begins. */
export interface Takeover {
  /** The sequence of the take-over record. */
  readonly epoch: number
  /** The input sequence up to which everything of the partition is applied. */
  readonly position: number
}

const positionOf = (newest: JournalRecord | undefined): number =>
  newest === undefined ? 0 : headOf(newest.text).position

/**
 * Returns the position of a partition from the leader of the journal: the input sequence up to which all purchases are
 * applied. The position is 0 before the first commit.
 */
export const readPosition = (partition: number): Effect.Effect<number, BrokerFailure, CommitChain> =>
  Effect.flatMap(CommitChain, (chain) => Effect.map(chain.newest(partition), positionOf))

/**
 * Takes a partition over by a take-over record behind the newest commit of the partition. After the take-over record,
 * no commit of an older owner can be stored, however late it arrives. Fails with `CommitConflict` if another commit
 * comes first at each attempt.
 */
export const takeOver = (
  partition: number,
  worker: string
): Effect.Effect<Takeover, BrokerFailure | CommitConflict, CommitChain> =>
  Effect.gen(function* () {
    const chain = yield* CommitChain
    const newest = yield* chain.newest(partition)
    const position = positionOf(newest)
    const record = encodeCommit({ kind: "takeover", epoch: 0, worker, position }, [])
    const epoch = yield* chain.append(partition, record, newest?.sequence ?? 0)
    return { epoch, position }
  }).pipe(Effect.retry({ while: (failure) => failure._tag === "CommitConflict", times: attemptsMax - 1 }))
