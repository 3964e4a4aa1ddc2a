import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { AlertStream } from "../nats/AlertStream.ts"
import { JudgeReader } from "../nats/JudgeReader.ts"

/** The time for which all callers share the result of one read of the state, even if the read failed. */
const readingGood = Duration.millis(500)
/** The time within which the broker must answer a read of the state. */
const readingWait = Duration.seconds(1)

/** The state of a shard: how far its purchases are judged. */
export interface ShardStatus {
  readonly shard: number
  /** The judge that stored the newest position of the shard; `undefined` before the first position. */
  readonly judge: string | undefined
  /** The journal sequence up to which all alerts of the shard are stored; `undefined` before the first position. */
  readonly judgedThrough: number | undefined
  /** The age of the oldest commit that is not judged, by the clock of this process; 0 if all commits are judged. */
  readonly lagMilliseconds: number
}

/** Reads the state of the judges for people. No purchase waits for the state of the judges. */
export class AlertStatus extends Context.Service<
  AlertStatus,
  {
    /**
     * Returns the state of all shards; `undefined` if the broker does not answer in time. An edge reads the state from
     * the broker at most twice a second.
     */
    readonly current: Effect.Effect<ReadonlyArray<ShardStatus> | undefined>
  }
>()("purchases/status/AlertStatus") {
  static readonly layer = Layer.effect(
    AlertStatus,
    Effect.gen(function* () {
      const alerts = yield* AlertStream
      const reader = yield* JudgeReader

      const statusOf = Effect.fnUntraced(function* (shard: number): Effect.fn.Return<ShardStatus, BrokerFailure> {
        const stored = yield* alerts.position(shard)
        // In a shard without a position, the purchases behind the first rule of any user wait to be judged.
        const after = stored?.position.through ?? (yield* reader.firstRules)
        const waiting = after === undefined ? undefined : yield* reader.firstCommitAfter(after)
        const now = yield* Clock.currentTimeMillis
        return {
          shard,
          judge: stored?.judge,
          judgedThrough: stored?.position.through,
          lagMilliseconds: waiting === undefined ? 0 : Math.max(1, now - waiting.storedAt)
        }
      })

      const read = Effect.forEach(
        Array.from({ length: alerts.shards }, (_, shard) => shard),
        statusOf
      ).pipe(
        Effect.timeout(readingWait),
        Effect.orElseSucceed(() => undefined)
      )
      return AlertStatus.of({ current: yield* Effect.cachedWithTTL(read, readingGood) })
    })
  )
}
