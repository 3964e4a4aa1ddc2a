import { Clock, Context, Effect, Fiber, Layer } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { ConnectionState } from "../nats/ConnectionState.ts"
import { Topology } from "../nats/Topology.ts"
import { Membership } from "./Membership.ts"
import { type RunningEpoch, runPartitionEpoch } from "./PartitionEpoch.ts"

/** Waits between two epochs of a partition: the first is short, for most reasons pass at once. */
const retakeWaitMilliseconds = 50
const retakeWaitMaxMilliseconds = 2_000
/** A leader that is being elected is asked for this often; whoever reads waits for it. */
const brokerRetryWaitMilliseconds = 200
/** An epoch that lived this long was a good one, and the next begins without delay. */
const epochGoodMilliseconds = 5_000
/** A partition that could not be run for this long needs a person. In milliseconds, longer than an election. */
const helplessAfterMilliseconds = 30_000
/** How long what is in hand may take when a partition goes to another worker; the epochs settle the rest. */
const handOverWaitMilliseconds = 500
/** How long a worker that is told to stop waits for what it has in hand. */
const drainWaitMilliseconds = 10_000

/** Failures to take a partition that pass as soon as there is a leader. */
const brokerFailed: ReadonlySet<string> = new Set(["BrokerUnavailable", "OutcomeUnknown"])

/** The partitions that this worker runs, each in one epoch after another. */
export class PartitionWorker extends Context.Service<
  PartitionWorker,
  {
    /** Commits and acknowledges what is in hand, and takes nothing more. */
    readonly drain: Effect.Effect<void>
    /** The partitions whose epochs run now. */
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
        })

        const supervise = (partition: number) => {
          let wait = retakeWaitMilliseconds
          let told = ""
          let failingSince: number | undefined
          let isHelpTold = false
          return Effect.gen(function* () {
            const started = yield* Clock.currentTimeMillis
            let waitMax = retakeWaitMaxMilliseconds
            const reason = yield* Effect.scoped(runEpoch(partition)).pipe(
              Effect.catch((failure) => {
                if (brokerFailed.has(failure._tag)) waitMax = brokerRetryWaitMilliseconds
                return Effect.succeed(failure.message)
              }),
              // A mistake of ours must not leave the partition without an owner for good.
              Effect.catchDefect((defect) => Effect.succeed(`defect: ${String(defect)}`))
            )
            if (isDraining) return yield* Effect.never
            const lived = (yield* Clock.currentTimeMillis) - started
            if (lived > epochGoodMilliseconds) wait = retakeWaitMilliseconds
            // What fails again and again for one reason is said once.
            if (reason !== told || lived > epochGoodMilliseconds) {
              yield* Effect.logWarning("lost a partition").pipe(Effect.annotateLogs({ reason }))
            }
            told = reason
            failingSince = lived > epochGoodMilliseconds ? undefined : (failingSince ?? started)
            const isHelpless = failingSince !== undefined && started - failingSince > helplessAfterMilliseconds
            if (isHelpless && !isHelpTold) {
              yield* Effect.logError("could not run a partition for 30 seconds").pipe(
                Effect.annotateLogs({ reason, wayOut: "if it stays so, restart the broker that leads the journal" })
              )
            }
            isHelpTold = isHelpless
            yield* Effect.sleep(Math.min(wait, waitMax))
            wait = Math.min(wait * 2, retakeWaitMaxMilliseconds)
          }).pipe(Effect.forever, Effect.annotateLogs({ partition }))
        }

        const supervised = new Map<number, Fiber.Fiber<void>>()

        /** Commits what is in hand of a partition that is another's now, and lets go of it. */
        const handOver = Effect.fnUntraced(function* (partition: number, fiber: Fiber.Fiber<void>) {
          supervised.delete(partition)
          const draining = running.get(partition)?.drain ?? Effect.void
          yield* draining.pipe(Effect.timeoutOption(handOverWaitMilliseconds))
          yield* Fiber.interrupt(fiber)
          yield* Effect.logInfo("handed a partition over").pipe(Effect.annotateLogs({ partition }))
        })

        yield* Effect.gen(function* () {
          yield* membership.changed
          if (isDraining) return yield* Effect.never
          const assigned = membership.assigned()
          for (const partition of assigned) {
            if (!supervised.has(partition)) supervised.set(partition, yield* Effect.forkIn(supervise(partition), scope))
          }
          const others = [...supervised].filter(([partition]) => !assigned.has(partition))
          yield* Effect.forEach(others, ([partition, fiber]) => handOver(partition, fiber), {
            concurrency: "unbounded",
            discard: true
          })
        }).pipe(Effect.forever, Effect.forkIn(scope))

        const drain = Effect.gen(function* () {
          isDraining = true
          yield* Effect.logInfo("draining").pipe(Effect.annotateLogs({ actors: registry.resident() }))
          const draining = yield* Effect.forkChild(
            Effect.forEach(running.values(), (epoch) => epoch.drain, { concurrency: "unbounded", discard: true })
          )
          // Whoever reads waits for the next owner, which applies what is not committed by then.
          yield* Fiber.join(draining).pipe(Effect.timeoutOption(handOverWaitMilliseconds))
          yield* membership.leave
          yield* Fiber.join(draining)
        }).pipe(
          Effect.timeoutOrElse({
            duration: drainWaitMilliseconds,
            orElse: () => Effect.logWarning("stopped with purchases in hand; the next owner applies them")
          })
        )

        return PartitionWorker.of({ drain, owned: () => [...running.keys()] })
      })
    )
}
