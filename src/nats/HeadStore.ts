import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { headsPrefix, headsStream, headsSubject } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream, readMessage, readPayload } from "./client/JetStreamApi.ts"
import { readReplicaPayload } from "./client/ReplicaRead.ts"

/** Returns the configuration with which the setup creates the bucket `heads`. */
export const headsConfig = (replicas: number) => ({
  name: headsStream,
  description: "Where each account's newest revision is: a copy that can be made again from the journal",
  subjects: [`${headsPrefix}>`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_msgs_per_subject: 1,
  num_replicas: replicas,
  allow_direct: true,
  deny_delete: true
})

/** A manifest, with its sequence in the bucket `heads`. */
export interface StoredManifest {
  readonly sequence: number
  readonly text: string
}

/** Reads and writes the bucket `heads`: the chunks of hints and bases, and the manifest of each partition. */
export class HeadStore extends Context.Service<
  HeadStore,
  {
    /** Returns the manifest of a partition, read from the leader; `undefined` before the first manifest. */
    readonly manifest: (partition: number) => Effect.Effect<StoredManifest | undefined, BrokerFailure>
    /**
     * Replaces the manifest that has the sequence `at`, or writes the first manifest if `at` is 0. Returns the sequence
     * of the new manifest. Fails with `CommitConflict` if the newest manifest does not have the sequence `at`.
     */
    readonly replaceManifest: (
      partition: number,
      manifest: string,
      at: number
    ) => Effect.Effect<number, BrokerFailure | CommitConflict>
    /**
     * Stores a chunk of a hint or a base, and returns the sequence of the chunk. `name` must be a name that no other
     * chunk has.
     */
    readonly store: (partition: number, name: string, chunk: Uint8Array) => Effect.Effect<number, BrokerFailure>
    /** Returns the chunk at a sequence; `undefined` if the chunk was removed. */
    readonly at: (sequence: number) => Effect.Effect<Uint8Array | undefined, BrokerFailure>
    /**
     * Removes the chunks of a partition below a sequence. The caller must not remove a chunk that the manifest names.
     */
    readonly removeBelow: (partition: number, sequence: number) => Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/HeadStore") {
  static readonly layer = Layer.effect(
    HeadStore,
    Effect.gen(function* () {
      const connection = yield* Connection
      const manifestSubject = (partition: number) => headsSubject(partition, "manifest")
      return HeadStore.of({
        manifest: (partition) =>
          Effect.map(
            readMessage(connection, headsStream, { last_by_subj: manifestSubject(partition) }),
            (found) => found && { sequence: found.sequence, text: found.text }
          ),
        replaceManifest: (partition, manifest, at) =>
          appendMessage(connection, {
            operation: "replace the manifest of heads",
            subject: manifestSubject(partition),
            payload: manifest,
            after: at
          }),
        store: (partition, name, chunk) =>
          appendMessage(connection, {
            operation: "store heads",
            subject: headsSubject(partition, name),
            payload: chunk
          }).pipe(Effect.catchTag("CommitConflict", (lost) => Effect.die(lost))),
        at: (sequence) =>
          readReplicaPayload(connection, headsStream, sequence).pipe(
            Effect.catch(() => Effect.undefined),
            Effect.flatMap((found) =>
              found === undefined ? readPayload(connection, headsStream, { seq: sequence }) : Effect.succeed(found)
            )
          ),
        removeBelow: (partition, sequence) =>
          askJetStream(connection, `STREAM.PURGE.${headsStream}`, {
            filter: headsSubject(partition, ">"),
            seq: sequence
          })
      })
    })
  )
}
