import { Clock, Context, Effect, Layer } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import { decodeOwner } from "../domain/Owner.ts"
import { LedgerBucket } from "../nats/LedgerBucket.ts"
import { QueueDepth } from "../nats/QueueDepth.ts"
import { Topology } from "../nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../nats/WorkerBucket.ts"

/** A reading serves all who ask within this time, in milliseconds, be it a failure. */
const readingGoodMilliseconds = 1_000
/** How long the broker may take for a reading, in milliseconds. */
const readingWaitMilliseconds = 2_500
/** How many owners are looked up at once. */
const readsAtOnceMax = 16

export interface PartitionStatus {
  readonly partition: number
  /** Messages that are not applied, each of up to 500 purchases; not known where no worker reads the partition. */
  readonly waiting: number | undefined
  /** The worker that took it last; nobody where none ever did. */
  readonly owner: string | undefined
}

export interface StatusReading {
  /** When it was read, in milliseconds since 1970, by the clock of this process. */
  readonly at: number
  readonly partitions: ReadonlyArray<PartitionStatus>
  /** The newest sign of life of each worker that was heard in the last minute. */
  readonly workers: ReadonlyArray<WorkerSign>
}

interface Ownership {
  readonly epoch: number
  readonly worker: string | undefined
}

/** What goes on in the whole system, for people. */
export class SystemStatus extends Context.Service<
  SystemStatus,
  {
    /**
     * The newest reading. The broker is asked at most once a second by this edge, however many ask: for the consumers
     * of the input log, the signs of life of the workers, and the owner of each partition that has changed hands.
     */
    readonly current: Effect.Effect<StatusReading, BrokerFailure>
  }
>()("purchases/edge/SystemStatus") {
  static readonly layer = Layer.effect(
    SystemStatus,
    Effect.gen(function* () {
      const queues = yield* QueueDepth
      const workers = yield* WorkerBucket
      const ledger = yield* LedgerBucket
      const { partitions } = yield* Topology
      /** Who a partition's epoch is of never changes, so it is read once. */
      const owners = new Map<number, Ownership>()

      const ownerOf = Effect.fnUntraced(function* (partition: number, epoch: number) {
        const known = owners.get(partition)
        if (known?.epoch === epoch) return known.worker
        const taken = yield* ledger.at(epoch)
        const worker = taken === undefined ? undefined : decodeOwner(taken.value)
        owners.set(partition, { epoch, worker })
        return worker
      })

      const read = Effect.gen(function* () {
        const asked = Effect.all([queues.waiting, workers.read], { concurrency: "unbounded" })
        const [waiting, signs] = yield* asked
        const all = Array.from({ length: partitions }, (_, partition) => partition)
        const statuses = yield* Effect.forEach(
          all,
          Effect.fnUntraced(function* (partition): Effect.fn.Return<PartitionStatus, BrokerFailure> {
            const queue = waiting.get(partition)
            const owner = queue === undefined ? undefined : yield* ownerOf(partition, queue.epoch)
            return { partition, waiting: queue?.depth, owner }
          }),
          { concurrency: readsAtOnceMax }
        )
        return { at: yield* Clock.currentTimeMillis, partitions: statuses, workers: signs }
      }).pipe(
        Effect.timeoutOrElse({
          duration: readingWaitMilliseconds,
          orElse: () =>
            Effect.fail(
              new BrokerUnavailable({ operation: "status", reason: `no answer in ${readingWaitMilliseconds} ms` })
            )
        })
      )

      return SystemStatus.of({ current: yield* Effect.cachedWithTTL(read, readingGoodMilliseconds) })
    })
  )
}
