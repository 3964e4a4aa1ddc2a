import { Clock, Context, Effect, Fiber, Layer } from "effect"
import type { AccountReader } from "../ledger/AccountReader.ts"
import type { AlertStream } from "../nats/AlertStream.ts"
import type { CommitStream } from "../nats/CommitStream.ts"
import type { JudgeReader } from "../nats/JudgeReader.ts"
import { supervise } from "../partition/PartitionSupervision.ts"
import { JudgeMembership } from "./JudgeMembership.ts"
import { ShardProgress } from "./ShardProgress.ts"
import { runShard } from "./ShardRun.ts"

/** Judges the shards of this judge. In each shard, a new run begins when the run before has ended. */
export class Judge extends Context.Service<
  Judge,
  {
    /** Stops judging, and tells the other judges that this judge leaves. */
    readonly stop: Effect.Effect<void>
    /** Returns the shards that this judge judges now, each with its progress. */
    readonly shards: () => ReadonlyMap<number, ShardProgress>
  }
>()("purchases/judge/Judge") {
  static readonly layer = (judge: string) =>
    Layer.effect(
      Judge,
      Effect.gen(function* () {
        const membership = yield* JudgeMembership
        const scope = yield* Effect.scope
        const clock = yield* Clock.Clock
        const services = yield* Effect.context<AccountReader | AlertStream | CommitStream | JudgeReader>()
        const supervised = new Map<number, Fiber.Fiber<void>>()
        const progress = new Map<number, ShardProgress>()
        let isStopping = false

        const begin = Effect.fnUntraced(function* (shard: number) {
          const ofShard = new ShardProgress(() => clock.currentTimeMillisUnsafe())
          progress.set(shard, ofShard)
          const run = runShard({ judge, shard }, ofShard).pipe(
            Effect.scoped,
            Effect.ensuring(Effect.sync(() => ofShard.over())),
            Effect.provide(services)
          )
          yield* Effect.logInfo("judging a shard").pipe(Effect.annotateLogs({ shard }))
          const supervision = supervise({ kind: "shard", number: shard }, run, () => isStopping)
          supervised.set(shard, yield* Effect.forkIn(supervision, scope))
        })

        const end = Effect.fnUntraced(function* (shard: number) {
          const fiber = supervised.get(shard)
          supervised.delete(shard)
          progress.delete(shard)
          if (fiber !== undefined) yield* Fiber.interrupt(fiber)
          yield* Effect.logInfo("handed a shard over").pipe(Effect.annotateLogs({ shard }))
        })

        yield* Effect.gen(function* () {
          yield* membership.changed
          const assigned = membership.assigned()
          for (const shard of assigned) if (!supervised.has(shard)) yield* begin(shard)
          for (const shard of supervised.keys()) if (!assigned.has(shard)) yield* end(shard)
        }).pipe(Effect.forever, Effect.forkIn(scope))

        return Judge.of({
          stop: Effect.suspend(() => {
            isStopping = true
            return membership.leave
          }),
          shards: () => progress
        })
      })
    )
}
