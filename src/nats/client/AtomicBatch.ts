import { Effect } from "effect"
import { nuid } from "nats"
import { type BrokerFailure, BrokerUnavailable, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { type CommitConflict, withConflict } from "./ConditionalAppend.ts"
import type { BrokerConnection } from "./Connection.ts"
import { storeMessage } from "./JetStreamApi.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"

/** The time that the broker has to store a batch. After that its outcome counts as unknown. */
const batchTimeoutMilliseconds = 5_000

export interface BatchMessage {
  readonly subject: string
  readonly payload: string
}

/** Messages that are stored together. The broker refuses more than 1,000 messages in one batch. */
export interface AtomicBatch {
  /** Names the batch in errors, as a verb. */
  readonly operation: string
  readonly messages: ReadonlyArray<BatchMessage>
  /** The last message of the batch, with the condition of the whole batch. */
  readonly last: BatchMessage
  /** The expected sequence of the newest message of the last message's subject, 0 for none. */
  readonly after: number
  /** Further header lines of every message, each with its line end. */
  readonly headers: string
}

/**
 * Stores all messages of a batch, or none, and returns the sequence of the last message when the batch is durable.
 * Fails with `CommitConflict` if another message is the newest of the last message's subject. After `OutcomeUnknown`
 * the batch may be stored, or may be stored later. The broker forgets a batch that breaks off after ten seconds.
 */
export const appendBatch = (
  { client, request, isConnected }: Pick<BrokerConnection, "client" | "request" | "isConnected">,
  { operation, messages, last, after, headers }: AtomicBatch
): Effect.Effect<number, BrokerFailure | CommitConflict> =>
  Effect.suspend((): Effect.Effect<number, BrokerFailure | CommitConflict> => {
    if (!isConnected()) return Effect.fail(new BrokerUnavailable({ operation, reason: "not connected" }))
    const batch = nuid.next()
    const member = (number: number) =>
      writtenHeaders(`Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${number}\r\n${headers}`)
    for (const [index, { subject, payload }] of messages.entries()) {
      client.publish(subject, payload, { headers: member(index + 1) })
    }
    const condition = `Nats-Expected-Last-Subject-Sequence: ${after}\r\n${headers}`
    // The broker would make a store of its own for a batch of one message.
    const commit =
      messages.length === 0
        ? condition
        : `Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${messages.length + 1}\r\nNats-Batch-Commit: 1\r\n${condition}`
    return storeMessage(
      { request },
      { operation, ...last, headers: writtenHeaders(commit), timeoutMilliseconds: batchTimeoutMilliseconds }
    ).pipe(
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
