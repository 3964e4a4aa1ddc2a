import { Context, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { tokensPrefix, tokensStream } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"

/** The most records of tokens that an edge reads at once, and approximately the most bytes of these records. */
const pageRecordsMax = 500
const pageBytesMax = 256 * 1024

/**
 * Returns the configuration with which the setup creates the stream of tokens. Edges read the stream of tokens, and
 * only an administrator writes to the stream.
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

/** The record of a token in the bucket `tokens`. */
export interface StoredToken {
  readonly id: string
  /** The sequence of the record in the bucket. Each later record of any token has a higher sequence. */
  readonly sequence: number
  readonly text: string
}

/** Reads and writes the bucket `tokens`, whose keys are the ids of tokens. */
export class TokenStore extends Context.Service<
  TokenStore,
  {
    /** Returns the newest record of a token, read from the leader; `undefined` if no token has the id. */
    readonly find: (id: string) => Effect.Effect<StoredToken | undefined, BrokerFailure>
    /**
     * Returns the next records of tokens after a sequence, oldest first. Returns an empty list if the bucket has no
     * record of a token after the sequence.
     */
    readonly after: (sequence: number) => Effect.Effect<ReadonlyArray<StoredToken>, BrokerFailure>
    /**
     * Replaces the record that has the sequence `at`, or writes the first record of a token if `at` is 0. Returns the
     * sequence of the new record. Fails with `CommitConflict` if the newest record of the token does not have the
     * sequence `at`.
     */
    readonly replace: (id: string, text: string, at: number) => Effect.Effect<number, BrokerFailure | CommitConflict>
    /**
     * Calls `heard` whenever an administrator writes the record of a token, and when a lost connection is back. When
     * `heard` is called, a read may still miss the new record.
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
