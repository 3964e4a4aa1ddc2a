import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream, rulesSubject } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"

/** The stored rules of one user: a message of the key `rules.<user>` of the journal. */
export interface RuleValue {
  /**
   * The sequence of the message in the journal. Commits with a higher sequence are judged by the rules of this message.
   */
  readonly sequence: number
  readonly text: string
}

/**
 * Reads and writes the stored rules of users: the values of the keys `rules.<user>`. The stored rules are in the
 * journal, so that rules and commits have one order.
 */
export class RuleValues extends Context.Service<
  RuleValues,
  {
    /** Returns the newest stored rules of a user, read from the leader; `undefined` before the user's first rule. */
    readonly newest: (userToken: string) => Effect.Effect<RuleValue | undefined, BrokerFailure>
    /**
     * Stores the rules of a user behind the value at `after` (0 for the first value), and returns the new sequence.
     * Fails with `CommitConflict` if the newest value of the user does not have the sequence `after`.
     */
    readonly append: (
      userToken: string,
      text: string,
      after: number
    ) => Effect.Effect<number, BrokerFailure | CommitConflict>
  }
>()("purchases/nats/RuleValues") {
  static readonly layer = Layer.effect(
    RuleValues,
    Effect.map(Effect.service(Connection), (connection) =>
      RuleValues.of({
        newest: (userToken) =>
          Effect.map(
            readMessage(connection, journalStream, { last_by_subj: rulesSubject(userToken) }),
            (found) => found && { sequence: found.sequence, text: found.text }
          ),
        append: (userToken, text, after) =>
          appendMessage(connection, {
            operation: "change the rules",
            subject: rulesSubject(userToken),
            payload: text,
            after
          })
      })
    )
  )
}
