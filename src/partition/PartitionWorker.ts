import { Context, Duration, Effect, Fiber, Layer } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { ConnectionState } from "../nats/client/ConnectionState.ts"
import { Topology } from "../nats/Topology.ts"
import { Membership } from "./Membership.ts"
import { type RunningEpoch, runPartitionEpoch } from "./PartitionEpoch.ts"
import { superviseEpochs } from "./PartitionSupervision.ts"

/**
 * The time for which a worker still commits purchases in hand of a partition that goes to another worker. The other
 * worker applies the purchases that are not committed in this time.
 */
const handOverTimeout = Duration.millis(500)
/** The time for which a stopping worker still commits purchases in hand. */
const drainTimeout = Duration.seconds(10)

/** Commits the purchases in hand of all epochs. */
const drainAll = (epochs: Iterable<RunningEpoch>): Effect.Effect<void> =>
  Effect.forEach(epochs, ({ drain }) => drain, { concurrency: "unbounded", discard: true })

/** Runs the partitions of this worker, each partition in one epoch after another. */
export class PartitionWorker extends Context.Service<
  PartitionWorker,
  {
    /**
     * Takes no further purchases, commits and acknowledges the purchases in hand, and tells the other workers that this
     * worker leaves. The drain ends after 10 seconds at the latest.
     */
    readonly drain: Effect.Effect<void>
    /** Returns the partitions whose epochs run now. */
    readonly owned: () => ReadonlyArray<number>
  }
>()("purchases/partition/PartitionWorker") {
  static readonly layer = (worker: string) =>
    Layer.effect(
      PartitionWorker,
      Effect.gen(function* () {
        const { partitions } = yield* Topology
        const membership = yield* Membership
        const scope = yield* Effect.scope
        const broker = yield* ConnectionState
        const registry = yield* ActorRegistry
        const running = new Map<number, RunningEpoch>()
        const supervised = new Map<number, Fiber.Fiber<void>>()
        let isDraining = false

        yield* broker.onReconnect(() => {
          for (const epoch of running.values()) epoch.fail("the connection to the broker broke")
        })

        const runEpoch = Effect.fnUntraced(function* (partition: number) {
          const epoch = yield* runPartitionEpoch({ worker, partition, partitions })
          yield* Effect.acquireRelease(
            Effect.sync(() => running.set(partition, epoch)),
            () => Effect.sync(() => running.delete(partition))
          )
          yield* Effect.logInfo("took a partition over").pipe(Effect.annotateLogs({ epoch: epoch.epoch }))
          return yield* epoch.over
        }, Effect.scoped)

        const supervise = Effect.fnUntraced(function* (partition: number) {
          const supervision = superviseEpochs(partition, runEpoch(partition), () => isDraining)
          supervised.set(partition, yield* Effect.forkIn(supervision, scope))
        })

        /** Commits the purchases in hand of a partition that another worker takes, and ends the partition's epoch. */
        const handOver = Effect.fnUntraced(function* ([partition, fiber]: readonly [number, Fiber.Fiber<void>]) {
          supervised.delete(partition)
          const draining = running.get(partition)?.drain ?? Effect.void
          yield* draining.pipe(Effect.timeoutOption(handOverTimeout))
          yield* Fiber.interrupt(fiber)
          yield* Effect.logInfo("handed a partition over").pipe(Effect.annotateLogs({ partition }))
        })

        yield* Effect.gen(function* () {
          yield* membership.changed
          if (isDraining) return yield* Effect.never
          const assigned = membership.assigned()
          for (const partition of assigned) if (!supervised.has(partition)) yield* supervise(partition)
          const others = [...supervised].filter(([partition]) => !assigned.has(partition))
          yield* Effect.forEach(others, handOver, { concurrency: "unbounded", discard: true })
        }).pipe(Effect.forever, Effect.forkIn(scope))

        const drain = Effect.gen(function* () {
          isDraining = true
          yield* Effect.logInfo("draining").pipe(Effect.annotateLogs({ actors: registry.resident() }))
          const draining = yield* Effect.forkChild(drainAll(running.values()))
          // After `handOverTimeout` the worker leaves, so that readers get a next owner. The next owner applies the
          // purchases that are not committed.
          yield* Fiber.join(draining).pipe(Effect.timeoutOption(handOverTimeout))
          yield* membership.leave
          yield* Fiber.join(draining)
        }).pipe(
          Effect.timeoutOrElse({
            duration: drainTimeout,
            orElse: () => Effect.logWarning("stopped with purchases in hand; the next owner applies them")
          })
        )

        return PartitionWorker.of({ drain, owned: () => [...running.keys()] })
      })
    )
}
