import { Effect, Schema } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { questionsMax } from "../protocol/Query.ts"
import { openChainWriter } from "../ledger/ChainWriter.ts"
import { Heads } from "../ledger/Heads.ts"
import { type InputMessage, InputProgress } from "../ledger/InputProgress.ts"
import { takeOver } from "../ledger/Takeover.ts"
import type { ReadDelivery } from "../nats/Delivery.ts"
import { InputLog } from "../nats/InputLog.ts"
import { PartitionConsumer } from "../nats/PartitionConsumer.ts"
import { NoticeSender } from "./NoticeSender.ts"
import { makeCommitReports } from "./CommitReports.ts"
import { DispatchWatermark } from "./DispatchWatermark.ts"
import { openEpochState } from "./EpochState.ts"
import { heldMessagesMax } from "./HeldInput.ts"
import { makeInputDispatcher } from "./InputDispatcher.ts"
import { openInputPump } from "./InputPump.ts"
import { OpenPurchases } from "./OpenPurchases.ts"
import { requestsAnsweredMax, serveQueries } from "./QueryEndpoint.ts"
import { untilStuck } from "./StuckWatch.ts"

/**
 * The failure of an epoch if the position of the partition is beyond the end of the input log. The cause is that the
 * journal or the input log was restored, or was made anew. If the epoch went on, the epoch would skip new messages
 * below the position. The partition therefore stands still until an operator restores both streams.
 */
export class PositionBeyondLog extends Schema.TaggedError<PositionBeyondLog>()("PositionBeyondLog", {
  partition: Schema.Number,
  position: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `partition ${this.partition} is applied up to input ${this.position}, and the input log ends at ${this.last}: restore journal and input log from one backup`
  }
}

/** The worker and the partition of an epoch. */
export interface EpochIdentity {
  readonly worker: string
  readonly partition: number
  readonly partitions: number
}

/** A running epoch, with the ways to end the epoch. */
export interface RunningEpoch {
  readonly epoch: number
  /** Waits for the end of the epoch, and returns the reason of the end. */
  readonly over: Effect.Effect<string>
  /** Stops the pull of input, and waits until all messages in hand are committed, or the epoch is over. */
  readonly drain: Effect.Effect<void>
  /** Ends the epoch with a reason. */
  readonly fail: (reason: string) => void
}

/**
 * Takes a partition over, and runs an epoch of the partition until the caller's scope closes. The protocol requires an
 * order of three steps. First, the worker appends the take-over record, which begins the epoch. Next, the worker reads
 * the heads up to the take-over record. Last, a consumer of the epoch starts behind the position.
 */
export const runPartitionEpoch = Effect.fnUntraced(function* (identity: EpochIdentity) {
  const { partition, partitions, worker } = identity
  const input = yield* InputLog
  const consumers = yield* PartitionConsumer
  const notices = yield* NoticeSender
  const registry = yield* ActorRegistry
  const openPurchases = yield* Effect.flatMap(OpenPurchases, ({ ofPartition }) => ofPartition)

  const { epoch, position } = yield* takeOver(partition, worker)
  const heads = yield* Effect.flatMap(Heads, ({ open }) => open(partition, epoch))
  const { last } = yield* input.bounds
  if (last < position) return yield* new PositionBeyondLog({ partition, position, last })
  yield* consumers.create(partition, epoch, position + 1, 2 * heldMessagesMax)

  const state = yield* openEpochState
  const { isOpen, fail } = state
  const progress = new InputProgress<ReadDelivery>(position)
  const watermark = new DispatchWatermark(position)
  const { pump, begin } = yield* openInputPump({ partition, epoch, position, state })
  const { held } = pump
  const reports = yield* makeCommitReports(partition)

  const committed = (messages: ReadonlyArray<InputMessage<ReadDelivery>>, purchases: number) => {
    pump.committed(messages.map(({ tag }) => tag))
    openPurchases.committed(purchases)
    notices.flush()
    pump.demand()
  }
  const stored = heads.committed
  const writer = yield* openChainWriter({ partition, worker, epoch, progress, isOpen, stored, committed, failed: fail })
  const actors = yield* registry.forEpoch<ReadDelivery>({
    partition,
    writer,
    headOf: heads.find,
    reads: openPurchases.reads,
    failed: fail,
    // An actor gets at most one envelope for each message, and one envelope for each question of a request.
    mailboxMax: heldMessagesMax + requestsAnsweredMax * questionsMax,
    ...reports.accounts,
    stillOwner: writer.stillOwner
  })
  const { refused } = reports
  const dispatching = { own: identity, state, progress, openPurchases, watermark, actors, writer, refused }
  const dispatch = yield* makeInputDispatcher(dispatching)
  yield* Effect.flatMap(pump.take, dispatch).pipe(
    Effect.forever,
    Effect.catchDefect((defect) => Effect.sync(() => fail(`defect: ${String(defect)}`))),
    Effect.forkScoped
  )
  yield* untilStuck({ silence: () => pump.silence(), dispatched: watermark, held }).pipe(
    Effect.flatMap((reason) => Effect.sync(() => fail(reason))),
    Effect.forkScoped
  )
  const { stillOwner } = writer
  const serving = { partition, partitions, worker, epoch, isOpen, fail, actors, dispatched: watermark, stillOwner }
  yield* serveQueries({ ...serving, users: heads.users, position: () => progress.position })

  yield* begin
  yield* consumers.deleteBefore(partition, epoch).pipe(Effect.ignore, Effect.forkScoped)

  const drained = held.emptied.pipe(
    Effect.andThen(writer.settled),
    Effect.andThen(Effect.suspend(() => pump.confirmed))
  )
  const drain = Effect.andThen(
    Effect.sync(() => pump.stop()),
    Effect.raceFirst(drained, Effect.asVoid(state.over))
  )
  return { epoch, over: state.over, drain, fail } satisfies RunningEpoch
})
