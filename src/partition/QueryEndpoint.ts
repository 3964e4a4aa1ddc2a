import { Effect, Exit } from "effect"
import type { LookEnvelope } from "../actor/AccountActor.ts"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { makeSingleFlightRead } from "../ledger/SingleFlightRead.ts"
import { InputLog } from "../nats/InputLog.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import { answerRequest, type Look, notAnswered } from "../query/QuestionAnswering.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import { serveInspection } from "./InspectionEndpoint.ts"

/** The most requests of one partition that are being answered at once; others get no answer, and ask again. */
export const requestsAnsweredMax = 256

/** What serving queries needs of the epoch in whose name it does. */
export interface ServingEpoch {
  readonly partition: number
  readonly partitions: number
  readonly worker: string
  readonly epoch: number
  readonly isOpen: () => boolean
  readonly fail: (reason: string) => void
  readonly actors: { readonly tell: (userToken: string, envelope: LookEnvelope) => boolean }
  readonly dispatched: DispatchWatermark
  /** The input sequence up to which everything is in a commit, or about to be. */
  readonly position: () => number
  /** Whether this epoch still owns the partition at some moment after it was asked. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/** Answers the queries of a partition until the scope closes. */
export const serveQueries = Effect.fnUntraced(function* (serving: ServingEpoch) {
  const { partition, partitions, worker, epoch, isOpen, fail, actors, dispatched } = serving
  const input = yield* InputLog
  const registry = yield* ActorRegistry
  const transport = yield* QueryTransport
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const newestInput = yield* makeSingleFlightRead(
    // What the log does not have any more is applied, so that the position of whoever owns the partition is beyond it.
    Effect.map(
      Effect.suspend(() => input.newestAfter(partition, dispatched.dispatchedThrough)),
      (newest) => Math.max(newest, serving.position())
    )
  )

  const answering = {
    newestInput,
    through: () => dispatched.dispatchedThrough,
    given: (sequence: number) => dispatched.wait(sequence),
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
    stillOwner: Effect.map(serving.stillOwner, (isOwner) => {
      if (!isOwner) fail("another epoch owns the partition")
      return isOwner && isOpen()
    })
  }

  yield* serveInspection({ partition, partitions, worker, epoch }, answering)

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
    if (!isOpen() || unanswered.size >= requestsAnsweredMax) return decline()
    unanswered.add(decline)
    const answered = answerRequest(answering, payload).pipe(
      Effect.catch((failure) => Effect.as(Effect.logDebug("a query was not answered", failure.message), undefined)),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!unanswered.delete(decline)) return
          reply(Exit.isSuccess(exit) && exit.value !== undefined && isOpen() ? exit.value : notAnswered)
        })
      ),
      Effect.forkIn(scope)
    )
    answer(answered)
  })
})
