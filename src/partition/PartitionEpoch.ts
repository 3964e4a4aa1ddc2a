import { Effect, Schema } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { questionsMax } from "../protocol/Query.ts"
import { openChainWriter } from "../ledger/ChainWriter.ts"
import { Heads } from "../ledger/Heads.ts"
import { type InputMessage, InputProgress } from "../ledger/InputProgress.ts"
import { takeOver } from "../ledger/Takeover.ts"
import { InputLog } from "../nats/InputLog.ts"
import { PartitionConsumer } from "../nats/PartitionConsumer.ts"
import { NoticeSender } from "./NoticeSender.ts"
import { makeCommitReports } from "./CommitReports.ts"
import { DispatchWatermark } from "./DispatchWatermark.ts"
import { openEpochState } from "./EpochState.ts"
import { heldMessagesMax } from "./HeldInput.ts"
import { makeInputDispatcher, type OpenDelivery } from "./InputDispatcher.ts"
import { openInputPump } from "./InputPump.ts"
import { OpenPurchases } from "./OpenPurchases.ts"
import { requestsAnsweredMax, serveQueries } from "./QueryEndpoint.ts"
import { untilStuck } from "./StuckWatch.ts"

/**
 * The journal is newer than the input log: one of them was restored, or made anew. To go on would skip what is stored
 * below the position from now on, so the partition waits for somebody who knows.
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

export interface EpochIdentity {
  readonly worker: string
  readonly partition: number
  readonly partitions: number
}

/** An epoch that runs: what its owner can do with it. */
export interface RunningEpoch {
  readonly epoch: number
  /** Ends with the reason when the epoch is over. */
  readonly over: Effect.Effect<string>
  /** Pulls no more, and waits until all that is in hand is committed. */
  readonly drain: Effect.Effect<void>
  readonly fail: (reason: string) => void
}

/**
 * Takes a partition over and runs it until the scope closes. The order is the protocol's: the take-over record is appended,
 * which is the epoch; then the heads are read up to it; then a consumer of this epoch alone starts behind the position.
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
  const progress = new InputProgress<OpenDelivery>(position)
  const watermark = new DispatchWatermark(position)
  const { pump, begin } = yield* openInputPump({ partition, epoch, position, state })
  const { held } = pump
  const reports = yield* makeCommitReports(partition)

  const committed = (messages: ReadonlyArray<InputMessage<OpenDelivery>>) => {
    pump.committed(messages.map(({ tag }) => tag))
    openPurchases.committed(messages.reduce((sum, { tag }) => sum + tag.purchases, 0))
    notices.flush()
    pump.demand()
  }
  const stored = heads.committed
  const writer = yield* openChainWriter({ partition, worker, epoch, progress, isOpen, stored, committed, failed: fail })
  const actors = yield* registry.forEpoch<OpenDelivery>({
    partition,
    writer,
    headOf: heads.find,
    failed: fail,
    // Each message brings one envelope to a user at most, and each request one for each of its questions.
    mailboxMax: heldMessagesMax + requestsAnsweredMax * questionsMax,
    applied: reports.applied,
    conflict: reports.conflict
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
  yield* serveQueries({ ...serving, position: () => progress.position })

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
