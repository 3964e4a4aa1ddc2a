import { Deferred, Effect, Exit } from "effect"
import type { LookEnvelope } from "../actor/AccountActor.ts"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import type { HeadUsers } from "../ledger/HeadUsers.ts"
import { makeSingleFlightRead } from "../ledger/SingleFlightRead.ts"
import { InputLog } from "../nats/InputLog.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import type { EpochReads, Look } from "../answering/EpochReads.ts"
import { answerQuestions, type JournalReads, notAnswered } from "../answering/QuestionAnswering.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import { serveInspection } from "./InspectionEndpoint.ts"

/**
 * The most requests of edges that an epoch answers at once. The epoch declines further requests, and the edge sends a
 * declined request again.
 */
export const requestsAnsweredMax = 256

/** The epoch that answers questions about the accounts of a partition. */
export interface QueriedEpoch {
  readonly partition: number
  readonly partitions: number
  readonly worker: string
  readonly epoch: number
  readonly isOpen: () => boolean
  readonly fail: (reason: string) => void
  readonly actors: { readonly tell: (userToken: string, envelope: LookEnvelope) => boolean }
  readonly dispatched: DispatchWatermark
  /** The users of the partition. */
  readonly users: HeadUsers
  /** Returns the input sequence up to which all purchases are in stored commits or in the commit in flight. */
  readonly position: () => number
  /** Returns whether this epoch still owned the partition at some moment after the call. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/**
 * Gives looks to actors, and waits until all looks are done. The effect `room` waits until memory may have room for
 * another actor.
 */
const lookAllWith =
  ({ tell }: QueriedEpoch["actors"], room: Effect.Effect<void>) =>
  <A>(looks: ReadonlyArray<Look<A>>): Effect.Effect<ReadonlyArray<A | undefined>> =>
    Effect.suspend(() => {
      const seen: Array<A | undefined> = Array.from(looks, () => undefined)
      const all = Deferred.makeUnsafe<ReadonlyArray<A | undefined>>()
      let open = looks.length
      const done = () => {
        open -= 1
        if (open === 0) Deferred.doneUnsafe(all, Effect.succeed(seen))
      }
      const isTold = (index: number): boolean => {
        const { userToken, look } = looks[index] as Look<A>
        return tell(userToken, {
          kind: "look",
          look: (account) => {
            seen[index] = look(account)
            done()
          },
          unreadable: done
        })
      }
      let told = 0
      while (told < looks.length && isTold(told)) told += 1
      if (told === looks.length) return Deferred.await(all)
      const tellRest = Effect.gen(function* () {
        for (; told < looks.length; told += 1) while (!isTold(told)) yield* room
      })
      return Effect.andThen(tellRest, Deferred.await(all))
    })

/** Makes the reads of an epoch, which use the actors, the input log and the proof of ownership. */
const makeEpochReads = Effect.fnUntraced(function* (queried: QueriedEpoch) {
  const { partition, isOpen, fail, actors, dispatched } = queried
  const input = yield* InputLog
  const registry = yield* ActorRegistry
  const newestInput = yield* makeSingleFlightRead(
    // Purged messages are applied, so the position of the partition's owner is beyond all purged messages.
    Effect.map(
      Effect.suspend(() => input.newestAfter(partition, dispatched.dispatchedThrough)),
      (newest) => Math.max(newest, queried.position())
    )
  )
  return {
    newestInput,
    dispatchedThrough: () => dispatched.dispatchedThrough,
    untilDispatched: (sequence) => dispatched.wait(sequence),
    users: { heads: queried.users, partitions: queried.partitions },
    lookAll: lookAllWith(actors, registry.room),
    stillOwner: Effect.map(queried.stillOwner, (isOwner) => {
      if (!isOwner) fail("another epoch owns the partition")
      return isOwner && isOpen()
    })
  } satisfies EpochReads
})

/**
 * Answers the questions about a partition until the caller's scope closes. When the scope closes, declines all requests
 * without an answer.
 */
export const serveQueries = Effect.fnUntraced(function* (queried: QueriedEpoch) {
  const { partition, partitions, worker, epoch, isOpen } = queried
  const transport = yield* QueryTransport
  const reads = yield* makeEpochReads(queried)
  yield* serveInspection({ partition, partitions, worker, epoch }, reads)

  // An epoch that ends answers no requests, and therefore declines the open requests. Without the decline, edges would
  // wait until their timeout.
  const unanswered = new Set<() => void>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const decline of unanswered) decline()
      unanswered.clear()
    })
  )
  const fork = yield* forkInScope<JournalReads>()
  yield* transport.serve(partition, { worker, epoch }, (payload, reply) => {
    const decline = () => reply(notAnswered)
    if (!isOpen() || unanswered.size >= requestsAnsweredMax) return decline()
    unanswered.add(decline)
    const answered = answerQuestions(reads, payload).pipe(
      Effect.catch((failure) => Effect.as(Effect.logDebug("a query was not answered", failure.message), undefined)),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!unanswered.delete(decline)) return
          reply(Exit.isSuccess(exit) && exit.value !== undefined && isOpen() ? exit.value : notAnswered)
        })
      )
    )
    fork(answered)
  })
})
