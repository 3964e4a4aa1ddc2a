import { Clock, Context, Effect, Layer } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import { headOf } from "../domain/Commit.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { type PartitionQueue, QueueDepth } from "../nats/QueueDepth.ts"
import { Topology } from "../nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../nats/WorkerBucket.ts"
import { troubleOf } from "./PartitionTrouble.ts"

/** A reading serves all who ask within this time, in milliseconds, also where it failed. */
const readingGoodMilliseconds = 500
/** How long the broker may take for a reading, in milliseconds. */
const readingWaitMilliseconds = 2_500
/** How many partitions are looked up at once. */
const readsAtOnceMax = 16
/**
 * A partition is stuck when nothing of it is applied for this long while a message waits, in milliseconds. It is longer
 * than a slow commit, and short enough for people to see it within five seconds.
 */
const stuckAfterMilliseconds = 3_500

export interface PartitionStatus {
  readonly partition: number
  /** Messages that are not applied, each of up to 500 purchases; `undefined` where no worker reads the partition. */
  readonly waiting: number | undefined
  /** The worker that took it last; `undefined` where none ever did. */
  readonly owner: string | undefined
  /** Why its purchases are not applied now, in words for people; `undefined` where they are. */
  readonly trouble: string | undefined
  /** Whether its owner is alive and has applied nothing for a while, although messages wait. */
  readonly isStuck: boolean
}

export interface WorkerStatus extends WorkerSign {
  /** Whether it was heard within its lease. */
  readonly isAlive: boolean
}

export interface StatusReading {
  /** When it was read, in milliseconds since 1970, by the clock of this process. */
  readonly at: number
  readonly partitions: ReadonlyArray<PartitionStatus>
  /** The newest sign of life of each worker that was heard in the last minute. */
  readonly workers: ReadonlyArray<WorkerStatus>
}

interface Ownership {
  readonly epoch: number
  readonly worker: string | undefined
}

/** Reads what goes on in the whole system, for people. */
export class SystemStatus extends Context.Service<
  SystemStatus,
  {
    /**
     * The newest reading. The broker is asked at most twice a second by this edge, however many ask: for the consumers
     * of the input log, the signs of life of the workers, and the owner of each partition that has changed hands.
     */
    readonly current: Effect.Effect<StatusReading, BrokerFailure>
  }
>()("purchases/edge/SystemStatus") {
  static readonly layer = (leaseMilliseconds: number) =>
    Layer.effect(
      SystemStatus,
      Effect.gen(function* () {
        const queues = yield* QueueDepth
        const workers = yield* WorkerBucket
        const chain = yield* CommitChain
        const { partitions } = yield* Topology
        const all = Array.from({ length: partitions }, (_, partition) => partition)
        /** The worker of an epoch never changes, so it is read once. */
        const owners = new Map<number, Ownership>()

        const ownerOf = Effect.fnUntraced(function* (partition: number, epoch: number) {
          const known = owners.get(partition)
          if (known?.epoch === epoch) return known.worker
          const takeover = yield* chain.at(epoch)
          const worker = takeover && headOf(takeover.text).worker
          owners.set(partition, { epoch, worker })
          return worker
        })

        const stuckMilliseconds = Effect.fnUntraced(function* (partition: number, queue: PartitionQueue) {
          if (queue.depth === 0 || queue.readAt - queue.movedAt <= stuckAfterMilliseconds) return undefined
          const still = yield* queues.stoodStill(partition, queue)
          return still > stuckAfterMilliseconds ? still : undefined
        })

        const statusOf = Effect.fnUntraced(function* (
          partition: number,
          queue: PartitionQueue | undefined,
          signs: ReadonlyMap<string, WorkerStatus>
        ): Effect.fn.Return<PartitionStatus, BrokerFailure> {
          if (queue === undefined) {
            return {
              partition,
              waiting: undefined,
              owner: undefined,
              trouble: troubleOf({ owner: undefined }),
              isStuck: false
            }
          }
          const owner = yield* ownerOf(partition, queue.epoch)
          const sign = owner === undefined ? undefined : signs.get(owner)
          const stuck = sign?.isAlive === true ? yield* stuckMilliseconds(partition, queue) : undefined
          const trouble = troubleOf({ owner, sign, stuckMilliseconds: stuck })
          return { partition, waiting: queue.depth, owner, trouble, isStuck: stuck !== undefined }
        })

        const read = Effect.gen(function* () {
          const asked = Effect.all([queues.waiting, workers.read], { concurrency: "unbounded" })
          const [waiting, signs] = yield* asked
          const heard = signs.map((sign) => ({ ...sign, isAlive: sign.silentMilliseconds <= leaseMilliseconds }))
          const byName = new Map(heard.map((sign) => [sign.worker, sign]))
          const statuses = yield* Effect.forEach(
            all,
            (partition) => statusOf(partition, waiting.get(partition), byName),
            { concurrency: readsAtOnceMax }
          )
          return { at: yield* Clock.currentTimeMillis, partitions: statuses, workers: heard }
        }).pipe(
          Effect.timeoutOrElse({
            duration: readingWaitMilliseconds,
            orElse: () =>
              Effect.fail(
                new BrokerUnavailable({
                  operation: "read the state of the partitions",
                  reason: `no answer in ${readingWaitMilliseconds} ms`
                })
              )
          })
        )

        return SystemStatus.of({ current: yield* Effect.cachedWithTTL(read, readingGoodMilliseconds) })
      })
    )
}
