import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { inputStream } from "../domain/Subject.ts"
import { Connection } from "./Connection.ts"
import { askJetStream } from "./JetStreamApi.ts"

interface ConsumerInfo {
  readonly name: string
  readonly num_pending: number
  readonly num_ack_pending: number
}

/** The queue of a partition. */
export interface PartitionQueue {
  /** The newest epoch that has begun to read it. */
  readonly epoch: number
  /** How many messages wait in it. */
  readonly depth: number
}

/**
 * What waits in each partition, in messages: of the consumers of its newest epoch the one that is furthest, since an
 * epoch may have made several of which it uses one.
 */
export const queuesOf = (consumers: ReadonlyArray<ConsumerInfo>): ReadonlyMap<number, PartitionQueue> => {
  const newest = new Map<number, PartitionQueue>()
  for (const { name, num_pending, num_ack_pending } of consumers) {
    const [, partition, epoch] = (/^p([0-9]+)-([0-9]+)(?:-[0-9]+)?$/.exec(name) ?? []).map(Number)
    if (partition === undefined || epoch === undefined) continue
    const depth = num_pending + num_ack_pending
    const known = newest.get(partition)
    if (known === undefined || epoch > known.epoch || (epoch === known.epoch && depth < known.depth)) {
      newest.set(partition, { epoch, depth })
    }
  }
  return newest
}

/** How much of the input log waits for its owners. */
export class QueueDepth extends Context.Service<
  QueueDepth,
  {
    /** By partition, the messages that are not applied, or whose acknowledgement has not arrived. */
    readonly waiting: Effect.Effect<ReadonlyMap<number, PartitionQueue>, BrokerFailure>
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
      return QueueDepth.of({ waiting })
    })
  )
}
