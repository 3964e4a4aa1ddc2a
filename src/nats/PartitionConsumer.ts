import { Context, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { inputStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { consumerName, createConsumer, isOfEarlierEpoch } from "./ConsumerCreation.ts"
import { askJetStream } from "./client/JetStreamApi.ts"
import { openPull, type Pull, type PullEvents } from "./PullSession.ts"

/** The most consumers that a worker deletes at once. */
const deletesAtOnceMax = 8

/**
 * Creates and deletes consumers of the input log, and pulls from these consumers. Each epoch of a partition has one
 * consumer, from which the owner pulls.
 */
export class PartitionConsumer extends Context.Service<
  PartitionConsumer,
  {
    /** Creates the consumer of an epoch. The deliveries of the consumer begin at the input sequence `from`. */
    readonly create: (
      partition: number,
      epoch: number,
      from: number,
      unacknowledgedMax: number
    ) => Effect.Effect<void, BrokerFailure>
    /** Deletes the consumers of all epochs of a partition before `epoch`. */
    readonly deleteBefore: (partition: number, epoch: number) => Effect.Effect<void, BrokerFailure>
    /** Pulls from the consumer of an epoch until the caller's scope closes. */
    readonly pull: (partition: number, epoch: number, events: PullEvents) => Effect.Effect<Pull, never, Scope.Scope>
  }
>()("purchases/nats/PartitionConsumer") {
  static readonly layer = Layer.effect(
    PartitionConsumer,
    Effect.gen(function* () {
      const connection = yield* Connection
      /**
       * For each partition, the epoch of the newest consumer, and the number of the attempt that created the consumer.
       */
      const made = new Map<number, { readonly epoch: number; readonly attempt: number }>()
      const nameOf = (partition: number, epoch: number): string => {
        const newest = made.get(partition)
        return consumerName(partition, epoch, newest?.epoch === epoch ? newest.attempt : 1)
      }

      const deleteConsumer = (name: string) =>
        askJetStream(connection, `CONSUMER.DELETE.${inputStream}.${name}`, {}).pipe(
          Effect.catchTag("BrokerRefused", () => Effect.void)
        )

      return PartitionConsumer.of({
        create: (partition, epoch, from, unacknowledgedMax) =>
          Effect.map(
            createConsumer(connection, { partition, epoch, from, unacknowledgedMax }),
            (attempt) => void made.set(partition, { epoch, attempt })
          ),
        deleteBefore: Effect.fnUntraced(function* (partition, epoch) {
          const { consumers } = yield* askJetStream<{ readonly consumers: ReadonlyArray<string> | null }>(
            connection,
            `CONSUMER.NAMES.${inputStream}`,
            { offset: 0 }
          )
          const older = (consumers ?? []).filter((name) => isOfEarlierEpoch(name, partition, epoch))
          yield* Effect.forEach(older, deleteConsumer, { discard: true, concurrency: deletesAtOnceMax })
        }),
        pull: (partition, epoch, events) => Effect.suspend(() => openPull(connection, nameOf(partition, epoch), events))
      })
    })
  )
}
