import { Clock, Context, Duration, Effect, Latch, Layer } from "effect"
import { AlertStream } from "../nats/AlertStream.ts"
import { ConnectionState } from "../nats/client/ConnectionState.ts"
import { JudgeSigns, type JudgeSign } from "../nats/JudgeSigns.ts"
import { Lease } from "../partition/Lease.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"

export interface JudgeMembershipSettings {
  readonly judge: string
  /** The wait between two signs of life. */
  readonly heartbeat: Duration.Duration
  /** A judge that sent no sign of life for this time counts as gone. */
  readonly lease: Duration.Duration
}

/** The time within which the other judges must send a sign of life to a judge that begins. */
const introductionWait = Duration.millis(250)

/**
 * Says which shards this judge should judge, by the signs of life of all judges. If the judges disagree, two judges
 * want the same shard, or no judge wants the shard for a while. A disagreement of the judges only costs time, because
 * each batch of alerts expects the shard's stored position.
 */
export class JudgeMembership extends Context.Service<
  JudgeMembership,
  {
    /** Returns the shards that this judge should judge now. */
    readonly assigned: () => ReadonlySet<number>
    /** Waits until the result of `assigned` may have changed since its last call. */
    readonly changed: Effect.Effect<void>
    /** Tells the other judges that this judge leaves, so that they need not wait for the end of its lease. */
    readonly leave: Effect.Effect<void>
  }
>()("purchases/judge/JudgeMembership") {
  static readonly layer = ({ judge, heartbeat, lease: leaseTime }: JudgeMembershipSettings) =>
    Layer.effect(
      JudgeMembership,
      Effect.gen(function* () {
        const signs = yield* JudgeSigns
        const broker = yield* ConnectionState
        const { shards } = yield* AlertStream
        const clock = yield* Clock.Clock
        const fork = yield* forkInScope()
        const now = () => clock.currentTimeMillisUnsafe()
        // The number of an instance is the time at which the process began. So a later process of a judge has a higher
        // number than an earlier process of the same name.
        const instance = now()
        const leaseMilliseconds = Duration.toMillis(leaseTime)
        const lease = new Lease({ worker: judge, instance, partitions: shards, leaseMilliseconds })
        const known = new Set<string>()
        const changed = Latch.makeUnsafe(true)
        let isIntroduced = false
        const reassign = () => {
          if (isIntroduced && lease.reassign(now())) changed.openUnsafe()
        }
        const announce = Effect.suspend(() =>
          lease.isHolding(now()) ? signs.give({ judge, instance, isLeaving: false }) : Effect.void
        )

        const heard = (sign: JudgeSign) => {
          lease.hear({ ...sign, worker: sign.judge }, now())
          reassign()
          if (sign.isLeaving) known.delete(sign.judge)
          else if (sign.judge !== judge && !known.has(sign.judge)) {
            // A judge that begins has heard no sign of this judge, so this judge sends a sign of life.
            known.add(sign.judge)
            fork(announce)
          }
        }
        yield* signs.watch(heard)
        yield* broker.onReconnect(() => lease.forgive(now()))
        yield* announce

        // A process that stood still for longer than `stoodStillMilliseconds` did not hear the other judges.
        const stoodStillMilliseconds = Duration.toMillis(heartbeat) + leaseMilliseconds / 2
        const beat = Effect.gen(function* () {
          const before = now()
          yield* Effect.sleep(isIntroduced ? heartbeat : introductionWait)
          isIntroduced = true
          if (now() - before > stoodStillMilliseconds) lease.forgive(now())
          yield* announce
          reassign()
        }).pipe(Effect.forever)
        yield* Effect.forkScoped(beat)

        return JudgeMembership.of({
          assigned: () => {
            changed.closeUnsafe()
            return lease.partitions
          },
          changed: changed.await,
          leave: Effect.suspend(() => {
            lease.leave()
            reassign()
            return signs.give({ judge, instance, isLeaving: true })
          })
        })
      })
    )
}
