import { Clock, Context, Effect, Layer } from "effect"
import { workDone } from "../metrics/Measures.ts"
import { ConnectionState } from "../nats/ConnectionState.ts"
import { Topology } from "../nats/Topology.ts"
import { untilReady } from "../nats/StreamSetup.ts"
import { WorkerBucket, type WorkerSign } from "../nats/WorkerBucket.ts"
import { partitionsOf } from "./Assignment.ts"

export interface MembershipSettings {
  readonly worker: string
  /** How often a worker gives a sign of life, in milliseconds. */
  readonly heartbeatMilliseconds: number
  /** A worker that was not heard for this long counts as gone, in milliseconds. */
  readonly leaseMilliseconds: number
}

interface Member {
  instance: number
  heardAt: number
}

/**
 * Who else lives, and so which partitions are mine. It can be wrong: then two workers want a partition, or none does
 * for a while, which costs time. What makes that safe are the epochs.
 */
export class Membership extends Context.Service<
  Membership,
  {
    /** The partitions that this worker should own, as of now. */
    readonly assigned: () => ReadonlySet<number>
    /** Waits until `assigned` may have changed since it was last asked. */
    readonly changed: Effect.Effect<void>
    /** Tells the others that this worker goes, so that they need not wait for its lease to end. */
    readonly leave: Effect.Effect<void>
  }
>()("purchases/partition/Membership") {
  static readonly layer = (settings: MembershipSettings) =>
    Layer.effect(
      Membership,
      Effect.gen(function* () {
        const { worker, heartbeatMilliseconds, leaseMilliseconds } = settings
        const bucket = yield* WorkerBucket
        const broker = yield* ConnectionState
        const { partitions } = yield* Topology
        const clock = yield* Clock.Clock
        const run = Effect.runForkWith(yield* Effect.context<never>())
        const now = () => clock.currentTimeMillisUnsafe()

        const members = new Map<string, Member>()
        let assigned: ReadonlySet<number> = new Set()
        let isLeft = false
        /** When a later process under the same name was last heard. */
        let successorHeardAt = Number.NEGATIVE_INFINITY
        let waiters: Array<() => void> = []
        let isDirty = true

        // While it lives, and no longer: when it ends before this process, nobody else would take the partitions.
        const isSucceeded = () => now() - successorHeardAt < leaseMilliseconds

        const reassign = () => {
          const living = [...members].filter(([, member]) => now() - member.heardAt < leaseMilliseconds)
          const before = assigned
          assigned =
            isLeft || isSucceeded()
              ? new Set()
              : partitionsOf(worker, [worker, ...living.map(([name]) => name)], partitions)
          if (before.size === assigned.size && [...before].every((partition) => assigned.has(partition))) return
          isDirty = true
          for (const wake of waiters.splice(0)) wake()
        }

        // The first sign gives the process its number; before it is answered the number is 0, which is nobody's.
        const instance = yield* untilReady(bucket.announce(worker, 0))

        const heardSuccessor = (sign: WorkerSign) => {
          const wasSucceeded = isSucceeded()
          successorHeardAt = sign.isLeaving ? Number.NEGATIVE_INFINITY : now()
          if (isSucceeded() && !wasSucceeded) {
            run(Effect.logError(`another process runs as ${worker}; this one gives its partitions up`))
          }
          reassign()
        }

        const heard = (sign: WorkerSign) => {
          if (sign.worker === worker) {
            if (sign.instance > instance) heardSuccessor(sign)
            return
          }
          if (sign.isLeaving) members.delete(sign.worker)
          else members.set(sign.worker, { instance: sign.instance, heardAt: now() })
          reassign()
        }
        yield* bucket.watch(heard)

        const signs = yield* untilReady(bucket.read)
        const brokersNow = Math.max(0, ...signs.map(({ storedAt }) => storedAt))
        for (const sign of signs) {
          if (sign.worker === worker) continue
          // How old a sign is, is said by the broker's clock alone.
          const age = brokersNow - sign.storedAt
          if (!members.has(sign.worker)) members.set(sign.worker, { instance: sign.instance, heardAt: now() - age })
        }
        reassign()

        /** After a time in which nothing could be heard, others are not gone for not having been heard. */
        const forgive = () => {
          for (const member of members.values()) member.heardAt = now()
        }
        yield* broker.onReconnect(forgive)

        const beat = Effect.gen(function* () {
          const before = now()
          yield* Effect.sleep(heartbeatMilliseconds)
          if (now() - before > heartbeatMilliseconds + leaseMilliseconds / 2) forgive()
          if (!isLeft && !isSucceeded()) yield* bucket.announce(worker, instance, workDone())
          reassign()
        }).pipe(
          Effect.catch((failure) => Effect.logDebug("no sign of life given", failure.message)),
          Effect.forever
        )
        yield* untilReady(bucket.announce(worker, instance))
        yield* Effect.forkScoped(beat)

        return Membership.of({
          assigned: () => {
            isDirty = false
            return assigned
          },
          changed: Effect.callback<void>((resume) => {
            if (isDirty) return resume(Effect.void)
            const wake = () => resume(Effect.void)
            waiters.push(wake)
            return Effect.sync(() => void (waiters = waiters.filter((other) => other !== wake)))
          }),
          leave: Effect.suspend(() => {
            isLeft = true
            reassign()
            return Effect.ignore(bucket.leave(worker, instance))
          })
        })
      })
    )
}
