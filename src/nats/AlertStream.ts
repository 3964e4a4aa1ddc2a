import { Context, Effect, Layer } from "effect"
import { type AlertPosition, decodeAlertPosition, encodeAlertPosition } from "../protocol/AlertPosition.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import {
  alertPositionSubject,
  alertsPrefix,
  alertsStream,
  alertSubject,
  encodeToken,
  readToken
} from "../protocol/Subject.ts"
import { appendBatch } from "./client/AtomicBatch.ts"
import type { CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { streamConfigOf } from "./client/StreamSetup.ts"

/** The most messages of one subject of the stream. The nats CLI refuses a bucket whose history has no limit. */
const historyMax = 1_000_000_000_000
/** The key for the number of shards in the metadata of the stream of alerts. */
const shardsMetadata = "purchases.shards"
/** The number of shards of a stream of alerts whose setup named no number. */
const shardsDefault = 1

/** Returns the number of shards that a stream of alerts was created with. */
export const shardsOf = (metadata: Readonly<Record<string, string>> | undefined): number =>
  Number(metadata?.[shardsMetadata] ?? shardsDefault)

/**
 * Returns the configuration with which the setup creates the stream of alerts. An existing stream of alerts keeps its
 * number of shards.
 */
export const alertStreamConfig = (replicas: number, shards = shardsDefault) => ({
  name: alertsStream,
  description: "Alerts of each user, the positions of the judges, and the state of webhooks",
  subjects: [`${alertsPrefix}>`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_msgs_per_subject: historyMax,
  num_replicas: replicas,
  allow_direct: true,
  // The alerts of a step and the new position of the shard are stored as one atomic batch.
  allow_atomic: true,
  // A new state of a webhook's deliveries replaces the old state.
  allow_rollup_hdrs: true,
  // With `allow_msg_ttl`, the broker drops the mark of a removed webhook after some time.
  allow_msg_ttl: true,
  deny_delete: true,
  metadata: { [shardsMetadata]: String(shards) }
})

/**
 * The header with the name of the judge that wrote a message, as a token. The judge's name is not in the text of a
 * message, so that all judges write equal texts.
 */
const judgedByHeader = "Judged-By"
/**
 * The most messages with alerts of one batch. A batch has one more message for the position of the shard, and the
 * broker takes at most 1,000 messages in a batch.
 */
export const alertMessagesMax = 900
/**
 * The most bytes of one batch of alerts, approximately. A batch is bounded, because the broker stores no other message
 * in the stream while it stores a batch.
 */
export const alertBytesMax = 4 * 1024 * 1024

/** The alerts that one purchase gave the owner of rules, as a message of the stream. */
export interface AlertMessage {
  readonly ownerToken: string
  readonly text: string
}

/**
 * One step of a judge in a shard: messages with alerts, and the new position of the shard, which are stored together.
 */
export interface AlertCommit {
  readonly shard: number
  /** The name of the judge that makes the step. */
  readonly judge: string
  /** The messages with alerts, at most {@link alertMessagesMax}. */
  readonly messages: ReadonlyArray<AlertMessage>
  readonly position: AlertPosition
  /** The sequence of the shard's position before this step, in the stream of alerts; 0 before the first position. */
  readonly after: number
}

/** The position of a shard in the stream of alerts. */
export interface StoredAlertPosition {
  readonly position: AlertPosition
  /** The sequence of the position's message in the stream of alerts. */
  readonly sequence: number
  /** The time at which the broker stored the position, in milliseconds since 1970. */
  readonly storedAt: number
  /** The name of the judge that wrote the position; `undefined` if another program wrote it. */
  readonly judge: string | undefined
}

const judgedBy = new RegExp(`^${judgedByHeader}: *(.*)$`, "m")

/** Returns the name of the judge in the header block of a message; `undefined` if the block has no name of a judge. */
const judgeIn = (headers: string): string | undefined => {
  const token = judgedBy.exec(headers)?.[1]?.trim()
  return token === undefined ? undefined : readToken(token)
}

/** Reads and writes the stream of alerts. */
export class AlertStream extends Context.Service<
  AlertStream,
  {
    /** The number of shards that the stream was created with. */
    readonly shards: number
    /** Returns the position of a shard, read from the leader; `undefined` before the first position. */
    readonly position: (shard: number) => Effect.Effect<StoredAlertPosition | undefined, BrokerFailure>
    /**
     * Stores the alerts and the position of a step together, or stores nothing of the step. Returns the sequence of the
     * new position's message in the stream. Fails with `CommitConflict` if another step has moved the position of the
     * shard. The condition on the shard's position is the lock of the shard.
     */
    readonly commit: (step: AlertCommit) => Effect.Effect<number, BrokerFailure | CommitConflict>
  }
>()("purchases/nats/AlertStream") {
  static readonly layer = Layer.effect(
    AlertStream,
    Effect.gen(function* () {
      const connection = yield* Connection
      const metadata = (yield* streamConfigOf(connection, alertsStream))?.metadata
      const position = (shard: number) =>
        Effect.map(
          readMessage(connection, alertsStream, { last_by_subj: alertPositionSubject(shard) }),
          (found) =>
            found && {
              position: decodeAlertPosition(found.text),
              sequence: found.sequence,
              storedAt: found.storedAt,
              judge: judgeIn(found.headers)
            }
        )
      const commit = ({ shard, judge, messages, position, after }: AlertCommit) =>
        appendBatch(connection, {
          operation: "store alerts",
          messages: messages.map(({ ownerToken, text }) => ({ subject: alertSubject(ownerToken), payload: text })),
          last: { subject: alertPositionSubject(shard), payload: encodeAlertPosition(position) },
          after,
          headers: `${judgedByHeader}: ${encodeToken(judge)}\r\n`
        })
      return AlertStream.of({ shards: shardsOf(metadata), position, commit })
    })
  )
}
