import { Context, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { tokensPrefix, tokensStream } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"

/** The most records of tokens, and about the most bytes of records, that are read at once. */
const pageRecordsMax = 500
const pageBytesMax = 256 * 1024

/**
 * Returns the configuration of the stream of tokens, for its creation. Edges read the stream of tokens, and only an
 * administrator writes it.
 */
export const tokensConfig = (replicas: number) => ({
  name: tokensStream,
  description: "Tokens of callers: their rights, and hashes of their secrets",
  subjects: [`${tokensPrefix}*`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_msgs_per_subject: 1,
  num_replicas: replicas,
  allow_direct: true,
  deny_delete: true,
  deny_purge: true
})

/** The record of a token, as the bucket `tokens` has it. */
export interface StoredToken {
  readonly id: string
  /** The sequence of the record in the bucket. A later change of any token has a higher sequence. */
  readonly sequence: number
  readonly text: string
}

/** Reads and writes the bucket `tokens`, whose keys are the ids of tokens. */
export class TokenStore extends Context.Service<
  TokenStore,
  {
    /** Returns the newest record of a token, as the leader has it; `undefined` if no token has the id. */
    readonly find: (id: string) => Effect.Effect<StoredToken | undefined, BrokerFailure>
    /**
     * Returns the next records of tokens after a sequence, oldest first. Returns an empty list if the bucket has no
     * later record of a token.
     */
    readonly after: (sequence: number) => Effect.Effect<ReadonlyArray<StoredToken>, BrokerFailure>
    /**
     * Replaces the record that has the sequence `at`, or writes the first record of a token if `at` is 0. Returns the
     * sequence of the new record. Fails with `CommitConflict` if another record is the newest.
     */
    readonly replace: (id: string, text: string, at: number) => Effect.Effect<number, BrokerFailure | CommitConflict>
    /**
     * Calls `heard` whenever somebody writes the record of a token, and when the connection is back after a loss. The
     * record may not be readable yet when `heard` is called.
     */
    readonly watch: (heard: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/TokenStore") {
  static readonly layer = Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      const connection = yield* Connection
      const idOf = (subject: string) => subject.slice(tokensPrefix.length)
      return TokenStore.of({
        find: (id) =>
          Effect.map(
            readMessage(connection, tokensStream, { last_by_subj: tokensPrefix + id }),
            (found) => found && { id, sequence: found.sequence, text: found.text }
          ),
        after: (sequence) =>
          Effect.map(
            readPage(connection, tokensStream, {
              subject: `${tokensPrefix}*`,
              from: sequence + 1,
              messagesMax: pageRecordsMax,
              bytesMax: pageBytesMax
            }),
            (page) => page.map(({ subject, sequence: at, text }) => ({ id: idOf(subject), sequence: at, text }))
          ),
        replace: (id, text, at) =>
          appendMessage(connection, {
            operation: "store a token",
            subject: tokensPrefix + id,
            payload: text,
            after: at
          }),
        watch: (heard) =>
          Effect.acquireRelease(
            Effect.sync(() => connection.client.subscribe(`${tokensPrefix}*`, { callback: heard })),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          ).pipe(Effect.andThen(connection.onReconnect(heard)))
      })
    })
  )
}
