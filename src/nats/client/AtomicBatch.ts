import { Effect } from "effect"
import { nuid } from "nats"
import { type BrokerFailure, BrokerUnavailable, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { type CommitConflict, withConflict } from "./ConditionalAppend.ts"
import type { BrokerConnection } from "./Connection.ts"
import { storeMessage } from "./JetStreamApi.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"

/**
 * The time within which the broker must acknowledge a batch. After this time the outcome of the batch counts as
 * unknown.
 */
const batchTimeoutMilliseconds = 5_000

export interface BatchMessage {
  readonly subject: string
  readonly payload: string
}

/**
 * Messages that the broker stores together, or not at all. The broker refuses more than 1,000 messages in one batch.
 */
export interface AtomicBatch {
  /** The name of the batch in the messages of errors; the name begins with a verb. */
  readonly operation: string
  readonly messages: ReadonlyArray<BatchMessage>
  /** The last message of the batch, with the condition of the whole batch. */
  readonly last: BatchMessage
  /**
   * The condition of the batch: the sequence of the newest message of the subject of `last`; 0 if the subject must have
   * no message.
   */
  readonly after: number
  /** Further header lines of every message, each with its line end. */
  readonly headers: string
}

/**
 * Stores all messages of a batch, or no message, and returns the sequence of the last message when the batch is
 * durable. Fails with `CommitConflict` if the condition `after` does not hold. After `OutcomeUnknown` the batch may be
 * stored, may be stored later, or may never be stored. The broker forgets an incomplete batch after ten seconds.
 */
export const appendBatch = (
  connection: Pick<BrokerConnection, "client" | "request" | "noteStored" | "isConnected">,
  { operation, messages, last, after, headers }: AtomicBatch
): Effect.Effect<number, BrokerFailure | CommitConflict> =>
  Effect.suspend((): Effect.Effect<number, BrokerFailure | CommitConflict> => {
    if (!connection.isConnected()) return Effect.fail(new BrokerUnavailable({ operation, reason: "not connected" }))
    const batch = nuid.next()
    const member = (number: number) =>
      writtenHeaders(`Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${number}\r\n${headers}`)
    for (const [index, { subject, payload }] of messages.entries()) {
      connection.client.publish(subject, payload, { headers: member(index + 1) })
    }
    const condition = `Nats-Expected-Last-Subject-Sequence: ${after}\r\n${headers}`
    // A batch of one message is sent as a plain message, because the broker makes a temporary store for each batch.
    const commit =
      messages.length === 0
        ? condition
        : `Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${messages.length + 1}\r\nNats-Batch-Commit: 1\r\n${condition}`
    return storeMessage(connection, {
      operation,
      ...last,
      headers: writtenHeaders(commit),
      timeoutMilliseconds: batchTimeoutMilliseconds
    }).pipe(
      Effect.flatMap(({ seq, count = 1 }) =>
        count === messages.length + 1
          ? Effect.succeed(seq)
          : Effect.fail(
              new OutcomeUnknown({ operation, reason: `it counted ${count} of ${messages.length + 1} messages` })
            )
      ),
      withConflict
    )
  })
