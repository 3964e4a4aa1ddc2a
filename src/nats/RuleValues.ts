import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream, rulesSubject } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"

/** All rules of one user, as the journal has them. */
export interface RuleValue {
  /**
   * The sequence in the journal of the value with the rules. Commits with a higher sequence are judged by the rules of
   * this value.
   */
  readonly sequence: number
  readonly text: string
}

/**
 * Reads and writes the values of the keys `rules.<user>`. The values of rules are in the journal, so that rules and
 * commits have one order.
 */
export class RuleValues extends Context.Service<
  RuleValues,
  {
    /** Returns the newest value with a user's rules, as the leader has it; `undefined` before the user's first rule. */
    readonly newest: (userToken: string) => Effect.Effect<RuleValue | undefined, BrokerFailure>
    /**
     * Stores a value with a user's rules behind the value at `after` (0 for the first value), and returns the new
     * sequence. Fails with `CommitConflict` if another value is the newest one.
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
