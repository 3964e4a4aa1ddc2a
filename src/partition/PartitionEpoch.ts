import { Deferred, Effect, Queue, Schema } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { decodeNoticeAddress, type NoticeAddress, noticesOf } from "../domain/AppliedNotice.ts"
import type { Unreadable } from "../domain/PurchaseMessage.ts"
import { questionsMax } from "../domain/Query.ts"
import type { Revision } from "../domain/Revision.ts"
import type { Rejection } from "../domain/Rejection.ts"
import { rejectedKey } from "../domain/Subject.ts"
import { type ChainEpoch, openChainWriter } from "../ledger/ChainWriter.ts"
import { Heads } from "../ledger/Heads.ts"
import { type InputMessage, InputProgress } from "../ledger/InputProgress.ts"
import { takeOver } from "../ledger/Takeover.ts"
import { WorkCounters } from "../metrics/WorkCounters.ts"
import { InputLog } from "../nats/InputLog.ts"
import type { Delivery, ReadDelivery } from "../nats/Delivery.ts"
import { PartitionConsumer } from "../nats/PartitionConsumer.ts"
import { recordAll, RejectedRecords } from "../nats/RejectedRecords.ts"
import { NoticeSender } from "../query/NoticeSender.ts"
import { DispatchWatermark } from "./DispatchWatermark.ts"
import { InHand, inHandMessagesMax } from "./InHand.ts"
import { requestsAnsweredMax, serveQueries } from "./QueryEndpoint.ts"
import { InputBudget } from "./InputBudget.ts"
import { OpenPurchases } from "./OpenPurchases.ts"
import { sortDelivery } from "./SortedDelivery.ts"
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

/** A message in hand, and how many parts of it were given to actors. */
interface OpenDelivery extends ReadDelivery {
  readonly purchases: number
}

/**
 * Takes a partition over and runs it until the scope closes. The order is the protocol's: the take-over record is appended,
 * which is the epoch; then the heads are read up to it; then a consumer of this epoch alone starts behind the position.
 */
export const runPartitionEpoch = Effect.fnUntraced(function* (identity: EpochIdentity) {
  const { partition, worker } = identity
  const input = yield* InputLog
  const consumers = yield* PartitionConsumer
  const rejected = yield* RejectedRecords
  const notices = yield* NoticeSender
  const registry = yield* ActorRegistry
  const budget = yield* InputBudget
  const openPurchases = yield* Effect.flatMap(OpenPurchases, ({ ofPartition }) => ofPartition)
  const counters = yield* WorkCounters
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const { epoch, position } = yield* takeOver(partition, worker)
  const heads = yield* Effect.flatMap(Heads, ({ open }) => open(partition, epoch))
  const { last } = yield* input.bounds
  if (last < position) return yield* new PositionBeyondLog({ partition, position, last })
  yield* consumers.create(partition, epoch, position + 1, 2 * inHandMessagesMax)

  const over = yield* Deferred.make<string>()
  let isOpen = true
  const fail = (reason: string) => {
    isOpen = false
    Deferred.doneUnsafe(over, Effect.succeed(reason))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => fail("closed")))

  const progress = new InputProgress<OpenDelivery>(position)
  const dispatched = new DispatchWatermark(position)
  const inHand = new InHand(budget.partitionBytes)
  const received = yield* Queue.unbounded<Delivery>()
  let isDraining = false
  /** Told when a pull for one oversized message is over. */
  let oversizedPulled: (() => void) | undefined
  let lastDelivery = 0
  let lastSequence = position
  /** The input sequence up to which commits are durable. The position of `progress` is ahead while one is in flight. */
  let committedThrough = position

  const chainEpoch: ChainEpoch<OpenDelivery> = {
    partition,
    worker,
    epoch,
    progress,
    isOpen: () => isOpen,
    failed: fail,
    stored: heads.committed,
    committed: (messages) => {
      committedThrough = messages.at(-1)?.sequence ?? committedThrough
      let purchases = 0
      for (const { tag } of messages) {
        pull.acknowledge(tag)
        inHand.release(tag.bytes)
        purchases += tag.purchases
      }
      openPurchases.committed(purchases)
      notices.flush()
      demand()
    }
  }

  const writer = yield* openChainWriter(chainEpoch)

  const tellApplied = (revision: Revision, messages: ReadonlyArray<InputMessage<OpenDelivery>>) => {
    counters.revisionApplied(revision)
    let addresses: Map<number, NoticeAddress> | undefined
    for (const { sequence, tag } of messages) {
      const address = tag.noticeTo === undefined ? undefined : decodeNoticeAddress(tag.noticeTo)
      if (address !== undefined) (addresses ??= new Map()).set(sequence, address)
    }
    if (addresses === undefined) return
    for (const { edge, notice } of noticesOf(revision, addresses)) notices.add(edge, notice)
  }

  const logRejection = ({ inputSequence, index, reason }: Rejection) => {
    const record = rejectedKey(inputSequence, index)
    run(Effect.logWarning("rejected a purchase").pipe(Effect.annotateLogs({ partition, record, reason })))
  }

  const actors = yield* registry.forEpoch<OpenDelivery>({
    partition,
    writer,
    headOf: heads.find,
    failed: fail,
    // Each message brings one envelope to a user at most, and each request one for each of its questions.
    mailboxMax: inHandMessagesMax + requestsAnsweredMax * questionsMax,
    applied: tellApplied,
    conflict: logRejection
  })

  const receive = (delivery: Delivery) => {
    // What still comes while draining is left to the next owner, whose consumer starts behind our position.
    if (!isOpen || isDraining) return
    if (delivery.deliverySequence !== lastDelivery + 1) {
      return fail(`delivery ${delivery.deliverySequence} came after ${lastDelivery}: the ones between were lost`)
    }
    lastDelivery = delivery.deliverySequence
    // Delivered again, because an acknowledgement is slow or lost.
    if (delivery.sequence <= lastSequence) {
      if (delivery.sequence <= committedThrough) pull.acknowledge(delivery)
      return
    }
    lastSequence = delivery.sequence
    inHand.take(delivery.bytes)
    Queue.offerUnsafe(received, delivery)
    endOversized()
  }

  const pull = yield* consumers.pull(partition, epoch, {
    delivered: receive,
    ended: () => {
      endOversized()
      demand()
    },
    oversized: () => pullOversized(),
    lost: (reason) => fail(`the consumer is gone: ${reason}`)
  })

  const endOversized = () => {
    if (oversizedPulled !== undefined && pull.outstanding().messages === 0) oversizedPulled()
  }

  let isOversized = false
  /** Asks for one message of any size, when few of the worker's partitions do. */
  const pullOversized = () => {
    endOversized()
    if (isOversized || isDraining || !isOpen) return
    isOversized = true
    const pulled = Effect.callback<void>((resume) => {
      oversizedPulled = () => resume(Effect.void)
      pull.request(1, budget.messageBytes)
    })
    const asked = Effect.map(budget.oversized(pulled), () => {
      oversizedPulled = undefined
      isOversized = false
      demand()
    })
    run(Effect.forkIn(asked, scope))
  }

  const demand = () => {
    if (isDraining || !isOpen || isOversized) return
    const wanted = inHand.wanted(pull.outstanding())
    if (wanted !== undefined) pull.request(wanted.messages, wanted.bytes)
  }

  /** Records why parts of a message are not applied, and only then lets the position pass them. */
  const reject = (
    delivery: ReadDelivery,
    unreadable: ReadonlyArray<Unreadable>,
    message: InputMessage<OpenDelivery>
  ) => {
    const rejections = unreadable.map((part): Rejection => ({ ...part, inputSequence: delivery.sequence }))
    const told = () => {
      counters.unreadableRejected(rejections.length)
      for (const rejection of rejections) logRejection(rejection)
    }
    const recorded = recordAll(rejected, rejections).pipe(
      Effect.map(() => writer.submit({ userToken: "", parts: [message], line: () => undefined, committed: told })),
      Effect.catch((failure) => Effect.sync(() => fail(failure.message)))
    )
    run(Effect.forkIn(recorded, scope))
  }

  const dispatch = Effect.fnUntraced(function* (next: Delivery) {
    yield* openPurchases.room
    const { byUser, unreadable } = sortDelivery(next, identity)
    const { payload: _read, userToken: _sorted, ...delivery } = next
    const parts = byUser.length + (unreadable.length > 0 ? 1 : 0)
    const purchases = byUser.reduce((sum, { deliveries }) => sum + deliveries.length, unreadable.length)
    openPurchases.opened(purchases)
    const message = progress.receive(delivery.sequence, parts, { ...delivery, purchases })
    if (unreadable.length > 0) reject(delivery, unreadable, message)
    for (const { userToken, deliveries } of byUser) {
      while (!actors.tell(userToken, { kind: "purchases", deliveries, message })) yield* registry.room
    }
    dispatched.reach(delivery.sequence)
  })

  yield* Queue.take(received).pipe(
    Effect.flatMap(dispatch),
    Effect.forever,
    Effect.catchDefect((defect) => Effect.sync(() => fail(`defect: ${String(defect)}`))),
    Effect.forkIn(scope)
  )

  yield* untilStuck({ silence: pull.silence, dispatched, inHand }).pipe(
    Effect.flatMap((reason) => Effect.sync(() => fail(reason))),
    Effect.forkIn(scope)
  )
  yield* serveQueries({
    partition,
    partitions: identity.partitions,
    worker,
    epoch,
    isOpen: () => isOpen,
    fail,
    actors,
    dispatched,
    position: () => progress.position,
    stillOwner: writer.stillOwner
  })

  demand()
  yield* consumers.deleteBefore(partition, epoch).pipe(Effect.ignore, Effect.forkIn(scope))

  const running: RunningEpoch = {
    epoch,
    over: Deferred.await(over),
    drain: Effect.suspend(() => {
      isDraining = true
      return Effect.raceFirst(
        inHand.emptied.pipe(Effect.andThen(writer.settled), Effect.andThen(pull.confirmed)),
        Effect.asVoid(Deferred.await(over))
      )
    }),
    fail
  }
  return running
})
