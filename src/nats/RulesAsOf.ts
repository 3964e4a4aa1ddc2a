import { Effect, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream, rulesFilter, rulesPrefix } from "../protocol/Subject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { readReplica } from "./client/ReplicaRead.ts"
import { openJournalPull, type ReadingOver } from "./JournalPull.ts"

/** The most keys whose older values are asked for at once. The broker answers for at most 1,024. */
const keysAtOnceMax = 256
/** The most reads from the leader at once. */
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
 * Returns older values of keys, which may not be the newest ones up to `through`. A replica answers, and it may be
 * behind. Above its end, and for keys without a value, it gives none.
 */
const guessed = (connection: BrokerConnection, subjects: ReadonlyArray<string>, through: number) =>
  through === 0
    ? Effect.succeed([])
    : readReplica(connection, journalStream, { multi_last: subjects, up_to_seq: through }).pipe(
        Effect.orElseSucceed((): ReadonlyArray<StoredMessage> => [])
      )

/** Returns the newest value of a key up to a sequence, as the leader has it. The walk begins at a value of the key. */
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

/** Hands on the newest values up to a sequence of keys that have newer values. */
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
 * Hands on values of the keys `rules.<owner>`. If there are several values of a key, the last one that is handed on is
 * the newest up to the sequence `through`. A consumer gives the newest values, and then newer ones. Its replica may be
 * behind, so it is read up to the newest value that the leader has. The keys whose newest value came after `through` are
 * read again.
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
    // A key that changed after `last` was read has only its new value here, and that value is behind `last`. So all
    // values that the consumer had at first are read too. Otherwise such a key would have no rules.
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
