import { Effect, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream, rulesFilter, rulesPrefix } from "../protocol/Subject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { readReplica } from "./client/ReplicaRead.ts"
import { openJournalPull, type ReadingOver } from "./JournalPull.ts"

/**
 * The most keys whose older values a judge reads with one request. The broker answers a request for at most 1,024 keys.
 */
const keysAtOnceMax = 256
/** The most reads that a judge makes from the leader at once. */
const readsAtOnceMax = 16

/** A value of a key `rules.<owner>`. */
export interface RulesValue {
  readonly ownerToken: string
  readonly sequence: number
  readonly text: string
}

type TakeRules = (value: RulesValue) => void

const valueOf = ({ subject, sequence, text }: Pick<StoredMessage, "subject" | "sequence" | "text">): RulesValue => ({
  ownerToken: subject.slice(rulesPrefix.length),
  sequence,
  text
})

/**
 * Reads from a replica at most one value for each key. A value may be older than the newest value up to `through`,
 * because the replica may lack the newest messages. Keys without a value on the replica are missing in the result.
 */
const guessed = (connection: BrokerConnection, subjects: ReadonlyArray<string>, through: number) =>
  through === 0
    ? Effect.succeed([])
    : readReplica(connection, journalStream, { multi_last: subjects, up_to_seq: through }).pipe(
        Effect.orElseSucceed((): ReadonlyArray<StoredMessage> => [])
      )

/**
 * Returns the newest value of a key up to a sequence, read from the leader. Begins at a known value of the key, and
 * reads one value after the other.
 */
const newestThrough = Effect.fnUntraced(function* (
  connection: BrokerConnection,
  subject: string,
  through: number,
  guess: StoredMessage | undefined
): Effect.fn.Return<StoredMessage | undefined, BrokerFailure> {
  let newest = guess
  while (true) {
    const next = yield* readMessage(connection, journalStream, {
      seq: (newest?.sequence ?? 0) + 1,
      next_by_subj: subject
    })
    if (next === undefined || next.sequence > through) return newest
    newest = next
  }
})

/**
 * Calls `take` with the newest value up to the sequence `through` of each given key. The newest value of each given key
 * came after `through`.
 */
const takeOlder = Effect.fnUntraced(function* (
  connection: BrokerConnection,
  subjects: ReadonlyArray<string>,
  through: number,
  take: TakeRules
): Effect.fn.Return<void, BrokerFailure> {
  for (let from = 0; from < subjects.length; from += keysAtOnceMax) {
    const part = subjects.slice(from, from + keysAtOnceMax)
    const guesses = new Map((yield* guessed(connection, part, through)).map((value) => [value.subject, value]))
    yield* Effect.forEach(
      part,
      (subject) =>
        Effect.map(newestThrough(connection, subject, through, guesses.get(subject)), (found) => {
          if (found !== undefined) take(valueOf(found))
        }),
      { concurrency: readsAtOnceMax, discard: true }
    )
  }
})

/**
 * Calls `take` with the stored rules of each user: the values of the keys `rules.<owner>`. If `take` gets several
 * values of a key, the last value is the newest up to the sequence `through`. A consumer delivers the newest value of
 * each key, and then later values. The consumer is read up to the leader's newest value, because the consumer's replica
 * may lack the newest messages. For a key whose newest value came after `through`, a further read finds the newest
 * value up to `through`.
 */
export const takeRulesAsOf = (
  connection: BrokerConnection,
  through: number,
  take: TakeRules
): Effect.Effect<void, BrokerFailure | ReadingOver, Scope.Scope> =>
  Effect.gen(function* () {
    const last = yield* readMessage(connection, journalStream, { last_by_subj: rulesFilter })
    if (last === undefined) return
    const pull = yield* openJournalPull(connection, rulesFilter, "newest of each subject")
    const changed = new Set<string>()
    // If a key changed after `last` was read, the consumer has only the new value of the key, and the new value is
    // behind `last`. The loop therefore also reads all values that the consumer had at its creation. Without these
    // older values, the rules of a key that changed after `last` would be missing.
    for (let taken = 0, values = 0; taken < last.sequence || values < pull.pending;) {
      for (const { subject, sequence, payload } of yield* pull.take) {
        taken = sequence
        values += 1
        if (sequence > through) changed.add(subject)
        else take(valueOf({ subject, sequence, text: Buffer.from(payload).toString() }))
      }
    }
    yield* takeOlder(connection, [...changed], through, take)
  })
