import { Deferred, Effect, Exit, Latch, Queue, Schema } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { decodeNoticeAddress, type NoticeAddress, noticesOf } from "../domain/AppliedNotice.ts"
import { encodeOwner } from "../domain/Owner.ts"
import type { Unreadable } from "../domain/PurchaseMessage.ts"
import { questionsMax } from "../domain/Query.ts"
import type { Revision } from "../domain/Revision.ts"
import { ownerKey, rejectedKey } from "../domain/Subject.ts"
import { type InputMessage, InputProgress } from "../ledger/InputProgress.ts"
import { Journal } from "../ledger/Journal.ts"
import type { CommitEpoch } from "../ledger/Proposal.ts"
import { readPosition } from "../ledger/Position.ts"
import { encodeRejection } from "../domain/Rejection.ts"
import { revisionApplied, unreadableRejected } from "../metrics/Measures.ts"
import { InputLog } from "../nats/InputLog.ts"
import { LedgerBucket } from "../nats/LedgerBucket.ts"
import { type Delivery, PartitionConsumer, pullHeartbeatMilliseconds } from "../nats/PartitionConsumer.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import { NoticeSender } from "../query/NoticeSender.ts"
import { answerRequest, type Look, notAnswered } from "../query/QueryServer.ts"
import { makeDispatched } from "./Dispatched.ts"
import { makeSharedRead } from "./SharedRead.ts"
import { sortDelivery } from "./SortedDelivery.ts"

/** The most messages and bytes of one partition that a worker holds; above it the consumer is not pulled. */
export const inHandMessagesMax = 512
export const inHandBytesMax = 4 * 1024 * 1024
/** The most requests of one partition that are being answered at once; others get no answer, and ask again. */
export const requestsAnsweredMax = 256

/** Every so often an epoch looks whether it is stuck. */
const watchEveryMilliseconds = 1_000
/** A broker that was not heard on a pull for this long does not know our consumer any more. */
const pullSilenceMax = 3 * pullHeartbeatMilliseconds
/** A query's sequence that the consumer does not reach in this time, while nothing else comes, was lost on the way. */
const barrierStuckMilliseconds = 2_000

/**
 * The ledger is newer than the input log: one of them was restored, or made anew. To go on would skip what is stored
 * below the position from now on, so the partition waits for somebody who knows.
 */
export class PositionBeyondLog extends Schema.TaggedError<PositionBeyondLog>()("PositionBeyondLog", {
  partition: Schema.Number,
  position: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `position.${this.partition} is ${this.position}, and the input log ends at ${this.last}: restore both from one backup`
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
 * Takes a partition over and runs it until the scope closes. The order is the protocol's: the owner's record is
 * written, which is the epoch; after that the position is read; then a consumer of this epoch alone starts behind it.
 */
export const runPartitionEpoch = Effect.fnUntraced(function* (identity: EpochIdentity) {
  const { partition, worker } = identity
  const bucket = yield* LedgerBucket
  const input = yield* InputLog
  const consumers = yield* PartitionConsumer
  const transport = yield* QueryTransport
  const journal = yield* Journal
  const notices = yield* NoticeSender
  const registry = yield* ActorRegistry
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const epoch = yield* bucket.put(ownerKey(partition), encodeOwner(worker))
  const position = yield* readPosition(partition)
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

  const progress = new InputProgress<Delivery>(position)
  const dispatched = makeDispatched(position)
  const emptied = Latch.makeUnsafe(true)
  const deliveries = yield* Queue.unbounded<Delivery>()
  let isDraining = false
  let inHandMessages = 0
  let inHandBytes = 0
  let lastDelivery = 0
  let lastSequence = position

  const commitEpoch: CommitEpoch<Delivery> = {
    partition,
    epoch,
    progress,
    isOpen: () => isOpen,
    failed: fail,
    committed: (messages) => {
      for (const { tag } of messages) {
        pull.acknowledge(tag)
        inHandMessages -= 1
        inHandBytes -= tag.bytes
      }
      notices.flush()
      if (inHandMessages === 0) emptied.openUnsafe()
      demand()
    }
  }

  const tellApplied = (revision: Revision, messages: ReadonlyArray<InputMessage<Delivery>>) => {
    revisionApplied(revision)
    const addresses = new Map<number, NoticeAddress>()
    for (const { sequence, tag } of messages) {
      const address = tag.noticeTo === undefined ? undefined : decodeNoticeAddress(tag.noticeTo)
      if (address !== undefined) addresses.set(sequence, address)
    }
    if (addresses.size === 0) return
    for (const { edge, notice } of noticesOf(revision, addresses)) notices.add(edge, notice)
  }

  const logRejection = (key: string, reason: string) =>
    run(Effect.logWarning("rejected a purchase").pipe(Effect.annotateLogs({ partition, record: key, reason })))

  const actors = yield* registry.forEpoch<Delivery>({
    epoch: commitEpoch,
    // Each message brings one envelope to a user at most, and each request one for each of its questions.
    mailboxMax: inHandMessagesMax + requestsAnsweredMax * questionsMax,
    applied: tellApplied,
    conflict: (delivered, key) =>
      void logRejection(key, `purchase ${delivered.purchase.purchaseId} was applied before with another content`)
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
      if (delivery.sequence <= progress.position) pull.acknowledge(delivery)
      return
    }
    lastSequence = delivery.sequence
    inHandMessages += 1
    inHandBytes += delivery.bytes
    emptied.closeUnsafe()
    Queue.offerUnsafe(deliveries, delivery)
  }

  const pull = yield* consumers.pull(partition, epoch, {
    delivered: receive,
    ended: () => demand(),
    lost: (reason) => fail(`the consumer is gone: ${reason}`)
  })

  const demand = () => {
    if (isDraining || !isOpen) return
    const outstanding = pull.outstanding()
    const messages = inHandMessagesMax - inHandMessages - outstanding.messages
    const bytes = inHandBytesMax - inHandBytes - outstanding.bytes
    // One request for half of the room is cheaper than one for each message that leaves.
    if (messages * 2 >= inHandMessagesMax && bytes * 2 >= inHandBytesMax) pull.request(messages, bytes)
  }

  const reject = (delivery: Delivery, unreadable: ReadonlyArray<Unreadable>, message: InputMessage<Delivery>) =>
    journal.submit({
      epoch: commitEpoch,
      parts: [message],
      writes: unreadable.map((part) => ({
        key: rejectedKey(delivery.sequence, part.index),
        value: encodeRejection({ ...part, inputSequence: delivery.sequence })
      })),
      committed: () => {
        unreadableRejected(unreadable.length)
        for (const part of unreadable) logRejection(rejectedKey(delivery.sequence, part.index), part.reason)
      }
    })

  const dispatch = Effect.fnUntraced(function* (delivery: Delivery) {
    const { byUser, unreadable } = sortDelivery(delivery, identity)
    const parts = byUser.size + (unreadable.length > 0 ? 1 : 0)
    const message = progress.receive(delivery.sequence, parts, delivery)
    if (unreadable.length > 0) reject(delivery, unreadable, message)
    for (const [userToken, ofUser] of byUser) {
      while (!actors.tell(userToken, { kind: "purchases", deliveries: ofUser, message })) yield* registry.room
    }
    dispatched.reach(delivery.sequence)
  })

  yield* Queue.take(deliveries).pipe(
    Effect.flatMap(dispatch),
    Effect.forever,
    Effect.catchDefect((defect) => Effect.sync(() => fail(`defect: ${String(defect)}`))),
    Effect.forkIn(scope)
  )

  const watch = Effect.gen(function* () {
    let before = -1
    let stuck = 0
    while (true) {
      yield* Effect.sleep(watchEveryMilliseconds)
      if (pull.silence() > pullSilenceMax) return fail(`the broker was not heard for ${pullSilenceMax} ms`)
      const isStuck = dispatched.awaited && dispatched.through === before && inHandMessages === 0
      stuck = isStuck ? stuck + watchEveryMilliseconds : 0
      if (stuck > barrierStuckMilliseconds) return fail("a sequence that a query waits for did not come")
      before = dispatched.through
    }
  })
  yield* Effect.forkIn(watch, scope)

  const settleIn = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) =>
    void run(effect).addObserver(done)
  const newestInput = makeSharedRead(input.lastSequence(partition), settleIn)
  const owner = makeSharedRead(bucket.latest(ownerKey(partition)), settleIn)

  const answering = {
    newestInput,
    through: () => dispatched.through,
    given: dispatched.wait,
    lookAll: <A>(looks: ReadonlyArray<Look<A>>) =>
      Effect.callback<ReadonlyArray<A>>((resume) => {
        const seen: Array<A> = []
        let open = looks.length
        const tell = (index: number) => {
          const { userToken, look } = looks[index] as Look<A>
          return actors.tell(userToken, {
            kind: "look",
            look: (account) => {
              seen[index] = look(account)
              open -= 1
              if (open === 0) resume(Effect.succeed(seen))
            }
          })
        }
        let told = 0
        while (told < looks.length && tell(told)) told += 1
        if (told === looks.length) return
        const rest = Effect.gen(function* () {
          for (; told < looks.length; told += 1) while (!tell(told)) yield* registry.room
        })
        const telling = run(rest)
        return Effect.sync(() => telling.interruptUnsafe())
      }),
    stillOwner: Effect.map(owner, (stored) => {
      if (stored?.sequence === epoch) return isOpen
      fail(`another epoch owns the partition: ${stored?.sequence}`)
      return false
    })
  }

  // Who asks would wait for an answer that an epoch at its end does not give any more.
  const unanswered = new Set<() => void>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const decline of unanswered) decline()
      unanswered.clear()
    })
  )
  const answer = yield* Effect.map(Effect.context<Effect.Services<ReturnType<typeof answerRequest>>>(), (context) =>
    Effect.runForkWith(context)
  )
  yield* transport.serve(partition, { worker, epoch }, (payload, reply) => {
    const decline = () => reply(notAnswered)
    if (!isOpen || unanswered.size >= requestsAnsweredMax) return decline()
    unanswered.add(decline)
    const answered = answerRequest(answering, payload).pipe(
      Effect.catch((failure) => Effect.as(Effect.logDebug("a query was not answered", failure.message), undefined)),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!unanswered.delete(decline)) return
          reply(Exit.isSuccess(exit) && exit.value !== undefined && isOpen ? exit.value : notAnswered)
        })
      ),
      Effect.forkIn(scope)
    )
    answer(answered)
  })

  demand()
  yield* consumers.deleteBefore(partition, epoch).pipe(Effect.ignore, Effect.forkIn(scope))

  const running: RunningEpoch = {
    epoch,
    over: Deferred.await(over),
    drain: Effect.suspend(() => {
      isDraining = true
      return Effect.raceFirst(
        emptied.await.pipe(Effect.andThen(journal.settle(commitEpoch)), Effect.andThen(pull.confirmed)),
        Effect.asVoid(Deferred.await(over))
      )
    }),
    fail
  }
  return running
})
