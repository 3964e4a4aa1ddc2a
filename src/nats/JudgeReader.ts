import { Context, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { commitFilter, journalPrefix, journalStream, rulesFilter } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { type JournalPull, openJournalPull, type ReadingOver } from "./JournalPull.ts"
import { type RulesValue, takeRulesAsOf } from "./RulesAsOf.ts"

/**
 * The filter for commits and rules, which also matches segments. One filter with wildcards costs the broker much less
 * work than two filters.
 */
const judgedFilter = `${journalPrefix}*.*`

/** Reads the journal for judges. */
export class JudgeReader extends Context.Service<
  JudgeReader,
  {
    /** Returns the sequence of the first message of any key `rules.<owner>`; `undefined` before the first message. */
    readonly firstRules: Effect.Effect<number | undefined, BrokerFailure>
    /**
     * Returns the first commit after a sequence, read from the leader; `undefined` if the journal has no commit after
     * the sequence.
     */
    readonly firstCommitAfter: (
      after: number
    ) => Effect.Effect<{ readonly storedAt: number } | undefined, BrokerFailure>
    /**
     * Calls `take` with the stored rules of each user: the values of the keys `rules.<owner>`. If `take` gets several
     * values of a key, the last value is the newest up to the sequence `through`.
     */
    readonly rulesAsOf: (
      through: number,
      take: (value: RulesValue) => void
    ) => Effect.Effect<void, BrokerFailure | ReadingOver>
    /**
     * Reads all commits and rules after a sequence, in order and without a gap, until the scope closes. The caller also
     * gets the segments between the commits.
     */
    readonly read: (after: number) => Effect.Effect<JournalPull, BrokerFailure, Scope.Scope>
  }
>()("purchases/nats/JudgeReader") {
  static readonly layer = Layer.effect(
    JudgeReader,
    Effect.map(Connection, (connection) =>
      JudgeReader.of({
        firstRules: Effect.map(
          readMessage(connection, journalStream, { seq: 1, next_by_subj: rulesFilter }),
          (found) => found?.sequence
        ),
        firstCommitAfter: (after) =>
          readMessage(connection, journalStream, { seq: after + 1, next_by_subj: commitFilter }),
        rulesAsOf: (through, take) => Effect.scoped(takeRulesAsOf(connection, through, take)),
        read: (after) => openJournalPull(connection, judgedFilter, { after })
      })
    )
  )
}
