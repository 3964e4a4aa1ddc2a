import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { inputStream, partitionFilter } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream, readMessage } from "./client/JetStreamApi.ts"

interface ConsumerInfo {
  readonly name: string
  readonly num_pending: number
  readonly num_ack_pending: number
  readonly created: string
  readonly ack_floor: { readonly stream_seq: number; readonly last_active?: string }
  /** The time at which the broker answered with the state of the consumer, by the broker's clock. */
  readonly ts: string
}

/** The unacknowledged input of a partition: the messages that the owner has not acknowledged. */
export interface PartitionQueue {
  /** The newest epoch of the partition that has a consumer. */
  readonly epoch: number
  /** The number of messages in the partition's input that are not acknowledged. */
  readonly depth: number
  /** The input sequence up to which every message is acknowledged. */
  readonly floor: number
  /**
   * The time of the last acknowledgement, or of the consumer's creation, in milliseconds since 1970, by the broker's
   * clock.
   */
  readonly movedAt: number
  /**
   * The time at which the broker answered with the state of the consumer, in milliseconds since 1970, by the broker's
   * clock.
   */
  readonly readAt: number
}

/**
 * Returns the unacknowledged input of each partition, by the number of the partition. An epoch may have made several
 * consumers, but uses only one of them. The result therefore has the state of one consumer of the newest epoch: the
 * consumer with the least unacknowledged input.
 */
export const queuesOf = (consumers: ReadonlyArray<ConsumerInfo>): ReadonlyMap<number, PartitionQueue> => {
  const newest = new Map<number, PartitionQueue>()
  for (const { name, num_pending, num_ack_pending, created, ack_floor, ts } of consumers) {
    const [, partition, epoch] = (/^p([0-9]+)-([0-9]+)(?:-[0-9]+)?$/.exec(name) ?? []).map(Number)
    if (partition === undefined || epoch === undefined) continue
    const depth = num_pending + num_ack_pending
    const known = newest.get(partition)
    if (known === undefined || epoch > known.epoch || (epoch === known.epoch && depth < known.depth)) {
      const movedAt = Date.parse(ack_floor.last_active ?? created)
      newest.set(partition, { epoch, depth, floor: ack_floor.stream_seq, movedAt, readAt: Date.parse(ts) })
    }
  }
  return newest
}

/** Reads how many messages of the input log wait for the owners of the partitions. */
export class QueueDepth extends Context.Service<
  QueueDepth,
  {
    /**
     * Reads the unacknowledged input of each partition: messages that are not applied, or whose acknowledgement has not
     * arrived.
     */
    readonly waiting: Effect.Effect<ReadonlyMap<number, PartitionQueue>, BrokerFailure>
    /**
     * Returns for how many milliseconds no message of a partition was acknowledged, by the broker's clock; 0 if all
     * messages are acknowledged. Reads the oldest unacknowledged message from the broker.
     */
    readonly stoodStill: (partition: number, queue: PartitionQueue) => Effect.Effect<number, BrokerFailure>
    /**
     * Returns the age in milliseconds of a partition's oldest unacknowledged message, by the broker's clock; 0 if all
     * messages are acknowledged. Reads the oldest unacknowledged message from the broker.
     */
    readonly oldestAge: (partition: number, queue: PartitionQueue) => Effect.Effect<number, BrokerFailure>
  }
>()("purchases/nats/QueueDepth") {
  static readonly layer = Layer.effect(
    QueueDepth,
    Effect.map(Connection, (connection) => {
      const page = (offset: number) =>
        askJetStream<{ readonly consumers: ReadonlyArray<ConsumerInfo> | null; readonly total: number }>(
          connection,
          `CONSUMER.LIST.${inputStream}`,
          { offset }
        )
      const waiting = Effect.gen(function* () {
        const consumers: Array<ConsumerInfo> = []
        while (true) {
          const { consumers: some, total } = yield* page(consumers.length)
          consumers.push(...(some ?? []))
          if (some === null || some.length === 0 || consumers.length >= total) return queuesOf(consumers)
        }
      })
      const oldest = (partition: number, { floor }: PartitionQueue) =>
        readMessage(connection, inputStream, { seq: floor + 1, next_by_subj: partitionFilter(partition) })
      const stoodStill = (partition: number, queue: PartitionQueue) =>
        Effect.map(oldest(partition, queue), (message) =>
          message === undefined ? 0 : Math.max(0, queue.readAt - Math.max(queue.movedAt, message.storedAt))
        )
      const oldestAge = (partition: number, queue: PartitionQueue) =>
        Effect.map(oldest(partition, queue), (message) =>
          message === undefined ? 0 : Math.max(0, queue.readAt - message.storedAt)
        )
      return QueueDepth.of({ waiting, stoodStill, oldestAge })
    })
  )
}
