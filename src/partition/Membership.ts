import { Clock, Context, Duration, Effect, Latch, Layer } from "effect"
import { WorkCounters } from "../metrics/WorkCounters.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import { ConnectionState } from "../nats/client/ConnectionState.ts"
import { untilReady } from "../nats/client/StreamSetup.ts"
import { Topology } from "../nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../nats/WorkerBucket.ts"
import { Lease } from "./Lease.ts"

/**
 * The longest wait between two signs of life in a cluster. There a worker answers strong reads only while the brokers
 * store its messages, and one lost sign of life must be no reason to stop. See `contactMaxMilliseconds` in
 * src/nats/client/MajorityContact.ts.
 */
const clusterHeartbeatMax = Duration.millis(500)

const toldSucceeded = (worker: string) =>
  Effect.logError(
    `another process runs as ${worker}; this one gives its partitions up. Give each worker its own WORKER_ID`
  )

export interface MembershipSettings {
  readonly worker: string
  /** The wait between two signs of life, which is at most {@link clusterHeartbeatMax} in a cluster. */
  readonly heartbeat: Duration.Duration
  /** The time after its last sign of life after which a worker counts as dead. */
  readonly lease: Duration.Duration
}

/**
 * Says which partitions this worker should own, by the signs of life of all workers. The result can be wrong for a
 * while: two workers may want the same partition, or no worker may want a partition. Epochs make wrong results
 * harmless, so that a wrong result only costs time.
 */
export class Membership extends Context.Service<
  Membership,
  {
    /** Returns the partitions that this worker should own now. */
    readonly assigned: () => ReadonlySet<number>
    /** Waits until the result of `assigned` may have changed since the last call of `assigned`. */
    readonly changed: Effect.Effect<void>
    /**
     * Tells the other workers that this worker leaves, so that the other workers need not wait for the end of this
     * worker's lease.
     */
    readonly leave: Effect.Effect<void>
  }
>()("purchases/partition/Membership") {
  static readonly layer = ({ worker, heartbeat, lease: leaseTime }: MembershipSettings) =>
    Layer.effect(
      Membership,
      Effect.gen(function* () {
        const bucket = yield* WorkerBucket
        const broker = yield* ConnectionState
        const counters = yield* WorkCounters
        const { partitions } = yield* Topology
        const clock = yield* Clock.Clock
        const fork = yield* forkInScope()
        const now = () => clock.currentTimeMillisUnsafe()

        // The sequence of the first sign of life is the number of the process. The first sign of life has the number 0,
        // which belongs to no process.
        const instance = yield* untilReady(bucket.announce(worker, 0))
        const leaseMilliseconds = Duration.toMillis(leaseTime)
        const lease = new Lease({ worker, instance, partitions, leaseMilliseconds })
        // The latch is open if the result of `assigned` may have changed since the last call of `assigned`.
        const changed = Latch.makeUnsafe(true)
        const reassign = () => {
          if (lease.reassign(now())) changed.openUnsafe()
        }

        const heard = (sign: WorkerSign) => {
          const wasSucceeded = lease.isSucceeded(now())
          lease.hear(sign, now())
          if (lease.isSucceeded(now()) && !wasSucceeded) fork(toldSucceeded(worker))
          reassign()
        }
        yield* bucket.watch(heard)
        lease.recall(yield* untilReady(bucket.read), now())
        reassign()
        yield* broker.onReconnect(() => lease.forgive(now()))

        // The time of a pause of this process after which the process may have missed signs of life of other workers.
        const stoodStillMilliseconds = Duration.toMillis(heartbeat) + leaseMilliseconds / 2
        const announced = Effect.suspend(() => bucket.announce(worker, instance, counters.done())).pipe(
          Effect.catch((failure) => Effect.logDebug("could not give a sign of life", failure.message))
        )
        const beat = Effect.gen(function* () {
          const before = now()
          yield* Effect.sleep(broker.isClustered() ? Duration.min(heartbeat, clusterHeartbeatMax) : heartbeat)
          if (now() - before > stoodStillMilliseconds) lease.forgive(now())
          // The next sign of life does not wait for the answer to this one, because the answer may be lost. The bucket
          // gives an answer up after a second, so the signs of life of one second are in flight at most.
          if (lease.isHolding(now())) fork(announced)
          reassign()
        })
        yield* untilReady(bucket.announce(worker, instance))
        yield* Effect.forkScoped(Effect.forever(beat))

        return Membership.of({
          assigned: () => {
            changed.closeUnsafe()
            return lease.partitions
          },
          changed: changed.await,
          leave: Effect.suspend(() => {
            lease.leave()
            reassign()
            return Effect.ignore(bucket.leave(worker, instance))
          })
        })
      })
    )
}
