import { Context, Effect, Layer } from "effect"
import { type AlertPosition, decodeAlertPosition } from "../protocol/AlertPosition.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { alertPositionSubject, alertsPrefix, alertsStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { ensureStream } from "./client/StreamSetup.ts"

/** The most messages of one subject. The nats CLI refuses a bucket whose history has no limit. */
const historyMax = 1_000_000_000_000
/** The key in the metadata of the stream under which the number of shards stands. */
const shardsMetadata = "purchases.shards"
/** The number of shards of a new stream. An existing stream keeps its number of shards. */
const shardsDefault = 1

/** Returns the configuration of the stream of alerts, for its creation. */
export const alertStreamConfig = (replicas: number) => ({
  name: alertsStream,
  description: "Alerts of each user, the positions of the judges, and the state of webhooks",
  subjects: [`${alertsPrefix}>`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_msgs_per_subject: historyMax,
  num_replicas: replicas,
  allow_direct: true,
  // Alerts and the position that covers them are one atomic batch.
  allow_atomic: true,
  deny_delete: true,
  metadata: { [shardsMetadata]: String(shardsDefault) }
})

/** The position of a shard as the stream has it. */
export interface StoredAlertPosition {
  readonly position: AlertPosition
  /** The sequence of the position in the stream of alerts. */
  readonly sequence: number
  /** When the broker stored the position, in milliseconds since 1970. */
  readonly storedAt: number
}

/** The stream of alerts, which is created if it is missing. */
export class AlertStream extends Context.Service<
  AlertStream,
  {
    /** The number of shards that the stream was created with. */
    readonly shards: number
    /** Returns the position of a shard as the leader has it; `undefined` before the first position. */
    readonly position: (shard: number) => Effect.Effect<StoredAlertPosition | undefined, BrokerFailure>
  }
>()("purchases/nats/AlertStream") {
  static readonly layer = (replicas: number) =>
    Layer.effect(
      AlertStream,
      Effect.gen(function* () {
        const connection = yield* Connection
        const { metadata } = yield* ensureStream(connection, alertStreamConfig(replicas))
        return AlertStream.of({
          shards: Number(metadata?.[shardsMetadata] ?? shardsDefault),
          position: (shard) =>
            Effect.map(
              readMessage(connection, alertsStream, { last_by_subj: alertPositionSubject(shard) }),
              (found) =>
                found && {
                  position: decodeAlertPosition(found.text),
                  sequence: found.sequence,
                  storedAt: found.storedAt
                }
            )
        })
      })
    )
}
