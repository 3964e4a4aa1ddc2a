import { Clock, Context, Duration, Effect, Layer } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { headOf } from "../protocol/Commit.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { type PartitionQueue, QueueDepth } from "../nats/QueueDepth.ts"
import { Topology } from "../nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../nats/WorkerBucket.ts"
import { troubleOf } from "./PartitionTrouble.ts"

/** The time for which all callers share the result of one read of the state, even if the read failed. */
const readingGood = Duration.millis(500)
/** The time within which the broker must answer a read of the state. */
const readingWait = Duration.millis(2_500)
/** The most partitions whose state an edge reads at once. */
const readsAtOnceMax = 16
/**
 * The most partitions whose oldest message an edge reads for one read of the state. Each message has up to 500
 * purchases.
 */
const agesReadMax = 16
/**
 * The time after which a partition counts as stuck, if messages wait and no message was applied. The time
 * `stuckAfterMilliseconds` is longer than a slow commit, and short enough that people see a stuck partition within five
 * seconds.
 */
const stuckAfterMilliseconds = 3_500

/** The state of one partition. */
export interface PartitionStatus {
  readonly partition: number
  /**
   * The number of messages that are not applied, each with up to 500 purchases; `undefined` if no worker reads the
   * partition.
   */
  readonly waiting: number | undefined
  /** The worker that took the partition over last; `undefined` if no worker has ever taken the partition over. */
  readonly owner: string | undefined
  /**
   * Why the partition's purchases are not applied now, as a text for people; `undefined` if the purchases are applied.
   */
  readonly trouble: string | undefined
  /**
   * Whether the partition is stuck: its owner is alive, and has applied no message for a while although messages wait.
   */
  readonly isStuck: boolean
}

/** The newest sign of life of a worker. */
export interface WorkerStatus extends WorkerSign {
  /** Whether the worker gave a sign of life within its lease. */
  readonly isAlive: boolean
}

/** The state of all partitions and workers at one time. */
export interface StatusReading {
  /** The time of the read of the state, in milliseconds since 1970, by the clock of this process. */
  readonly at: number
  readonly partitions: ReadonlyArray<PartitionStatus>
  /**
   * The age in milliseconds of the oldest message that is not applied; 0 if no message waits. The age is `undefined` if
   * no worker reads any partition.
   */
  readonly oldestAge?: number | undefined
  /** The newest sign of life of each worker that gave a sign of life in the last minute. */
  readonly workers: ReadonlyArray<WorkerStatus>
}

interface Ownership {
  readonly epoch: number
  readonly worker: string | undefined
}

const unread = (partition: number): PartitionStatus => ({
  partition,
  waiting: undefined,
  owner: undefined,
  trouble: troubleOf({ owner: undefined }),
  isStuck: false
})

/**
 * Makes the function that returns the owner of an epoch. The owner of an epoch never changes, so an edge reads the
 * owner of each epoch once.
 */
const makeOwnerOf = Effect.map(CommitChain, (chain) => {
  const owners = new Map<number, Ownership>()
  return Effect.fnUntraced(function* (partition: number, epoch: number) {
    const known = owners.get(partition)
    if (known?.epoch === epoch) return known.worker
    const takeover = yield* chain.at(epoch)
    const worker = takeover && headOf(takeover.text).worker
    owners.set(partition, { epoch, worker })
    return worker
  })
})

/**
 * Makes the function that returns the status of one partition, given its unacknowledged input and the workers by name.
 */
const makeStatusOf = Effect.gen(function* () {
  const queues = yield* QueueDepth
  const ownerOf = yield* makeOwnerOf

  /**
   * Returns for how many milliseconds no waiting message of a partition was applied. Returns `undefined` if the
   * partition is not stuck.
   */
  const stuckMilliseconds = Effect.fnUntraced(function* (partition: number, queue: PartitionQueue) {
    if (queue.depth === 0 || queue.readAt - queue.movedAt <= stuckAfterMilliseconds) return undefined
    const still = yield* queues.stoodStill(partition, queue)
    return still > stuckAfterMilliseconds ? still : undefined
  })

  return Effect.fnUntraced(function* (
    partition: number,
    queue: PartitionQueue | undefined,
    workers: ReadonlyMap<string, WorkerStatus>
  ): Effect.fn.Return<PartitionStatus, BrokerFailure> {
    if (queue === undefined) return unread(partition)
    const owner = yield* ownerOf(partition, queue.epoch)
    const sign = owner === undefined ? undefined : workers.get(owner)
    const stuck = sign?.isAlive === true ? yield* stuckMilliseconds(partition, queue) : undefined
    const trouble = troubleOf({ owner, sign, stuckMilliseconds: stuck })
    return { partition, waiting: queue.depth, owner, trouble, isStuck: stuck !== undefined }
  })
})

/**
 * Makes the function that returns the age of the oldest waiting message of all partitions. The function looks only at
 * the {@link agesReadMax} partitions in which most messages wait.
 */
const makeOldestAge = Effect.map(QueueDepth, (queues) =>
  Effect.fnUntraced(function* (waiting: ReadonlyMap<number, PartitionQueue>) {
    if (waiting.size === 0) return undefined
    const longest = [...waiting]
      .filter(([, { depth }]) => depth > 0)
      .sort(([, one], [, other]) => other.depth - one.depth)
      .slice(0, agesReadMax)
    const ages = yield* Effect.forEach(longest, ([partition, queue]) => queues.oldestAge(partition, queue), {
      concurrency: readsAtOnceMax
    })
    return Math.max(0, ...ages)
  })
)

const tooSlow = new BrokerUnavailable({
  operation: "read the state of the partitions",
  reason: `no answer in ${Duration.toMillis(readingWait)} ms`
})

/**
 * Makes the effect that reads the state of all partitions and workers from the broker. Fails with `BrokerUnavailable`
 * if the read takes longer than {@link readingWait}.
 */
const makeRead = Effect.fnUntraced(function* (leaseMilliseconds: number) {
  const queues = yield* QueueDepth
  const bucket = yield* WorkerBucket
  const statusOf = yield* makeStatusOf
  const oldestAgeOf = yield* makeOldestAge
  const { partitions: partitionCount } = yield* Topology

  return Effect.gen(function* () {
    const [waiting, signs] = yield* Effect.all([queues.waiting, bucket.read], { concurrency: "unbounded" })
    const workers = signs.map((sign) => ({ ...sign, isAlive: sign.silentMilliseconds <= leaseMilliseconds }))
    const byName = new Map(workers.map((worker) => [worker.worker, worker]))
    const partitions = yield* Effect.forEach(
      Array.from({ length: partitionCount }, (_, partition) => partition),
      (partition) => statusOf(partition, waiting.get(partition), byName),
      { concurrency: readsAtOnceMax }
    )
    const oldestAge = yield* oldestAgeOf(waiting)
    return { at: yield* Clock.currentTimeMillis, partitions, oldestAge, workers }
  }).pipe(Effect.timeoutOrElse({ duration: readingWait, orElse: () => Effect.fail(tooSlow) }))
})

/** Reads the state of all partitions and workers, for people. */
export class SystemStatus extends Context.Service<
  SystemStatus,
  {
    /**
     * Returns the result of the newest read of the state. An edge reads the state at most twice a second, whatever the
     * number of callers. One read of the state reads the consumers of the input log, the signs of life of workers, and
     * the owner of each new epoch.
     */
    readonly current: Effect.Effect<StatusReading, BrokerFailure>
  }
>()("purchases/edge/SystemStatus") {
  static readonly layer = (leaseMilliseconds: number) =>
    Layer.effect(
      SystemStatus,
      Effect.gen(function* () {
        const read = yield* makeRead(leaseMilliseconds)
        return SystemStatus.of({ current: yield* Effect.cachedWithTTL(read, readingGood) })
      })
    )
}
