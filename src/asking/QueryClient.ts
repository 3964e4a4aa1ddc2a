import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import { BrokerUnavailable } from "../protocol/BrokerError.ts"
import type { Consistency, Question, Reply } from "../protocol/Query.ts"
import { encodeToken, partitionOf } from "../protocol/Subject.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import { RestingTurns } from "../runtime/RestingTurns.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import { Topology } from "../nats/Topology.ts"
import { AskingCaller } from "./CallerTurns.ts"
import { QuestionLane, questionsWaitingMax, type WaitingQuestion } from "./QuestionLane.ts"

/**
 * The time within which an owner must answer. After this time the edge sends the question again, to the owner or to the
 * next owner.
 */
const attemptTimeoutMilliseconds = 2_400
/**
 * The time between two checks for questions that got no reply in time. One timer for all questions takes less work than
 * one timer for each question.
 */
const overdueEvery = Duration.millis(100)

/**
 * The failure of a question to which the owner of the user's partition gave no current answer in time. The caller may
 * ask the question again.
 */
export class NotCurrent extends Schema.TaggedError<NotCurrent>()("NotCurrent", {
  waitedMilliseconds: Schema.Number
}) {
  override get message() {
    return `no current answer within ${this.waitedMilliseconds} ms`
  }
}

export interface AskOptions {
  readonly consistency: Consistency
  /**
   * The longest wait of the caller. The wait is a plain number, because it is compared with the clock for each
   * question.
   */
  readonly waitMilliseconds: number
}

interface OpenQuestion extends WaitingQuestion {
  readonly waitMilliseconds: number
  readonly settle: (result: Effect.Effect<Reply, BrokerUnavailable | NotCurrent>) => void
  isSettled: boolean
}

const tooManyWait = () =>
  new BrokerUnavailable({
    operation: "ask the owner of the account",
    reason: `${questionsWaitingMax} questions wait already`
  })

/** Sends questions to the owners of partitions. */
export class QueryClient extends Context.Service<
  QueryClient,
  {
    /**
     * Asks the owner of the user's partition, again and again until an owner answers. Fails with `NotCurrent` when the
     * caller's time is over, and with `BrokerUnavailable` without a broker, or if too many questions wait.
     */
    readonly ask: (question: Question, options: AskOptions) => Effect.Effect<Reply, BrokerUnavailable | NotCurrent>
  }
>()("purchases/query/QueryClient") {
  static readonly layer = Layer.effect(
    QueryClient,
    Effect.gen(function* () {
      const transport = yield* QueryTransport
      const { partitions } = yield* Topology
      const clock = yield* Clock.Clock
      const fork = yield* forkInScope()
      const dearAnswers = yield* RestingTurns.make
      const now = () => clock.currentTimeMillisUnsafe()

      const lanes = Array.from({ length: partitions }, (_, partition) => {
        const request = (payload: string) => transport.ask(partition, payload, attemptTimeoutMilliseconds)
        return new QuestionLane({ now, fork, request, dearAnswers })
      })
      const open = new Set<OpenQuestion>()
      const close = (waiting: OpenQuestion) => {
        waiting.isSettled = true
        open.delete(waiting)
      }

      const ask = (question: Question, { consistency, waitMilliseconds }: AskOptions) =>
        Effect.withFiber((fiber) =>
          Effect.callback<Reply, BrokerUnavailable | NotCurrent>((resume) => {
            const partition =
              question.kind === "users" ? question.partition : partitionOf(encodeToken(question.userId), partitions)
            const lane = lanes[partition]
            // A cursor of users may name a partition that the ledger does not have.
            if (lane === undefined) return resume(Effect.succeed({ kind: "refused", reason: "place" }))
            if (lane.isFull) return resume(Effect.fail(tooManyWait()))
            const waiting: OpenQuestion = {
              question,
              consistency,
              caller: fiber.getRef(AskingCaller),
              waitMilliseconds,
              askedAt: now(),
              isSettled: false,
              settle: (result) => {
                close(waiting)
                resume(result)
              }
            }
            open.add(waiting)
            lane.add(waiting)
            return Effect.sync(() => close(waiting))
          })
        )

      const failOverdue = Effect.sync(() => {
        const at = now()
        for (const { askedAt, waitMilliseconds, settle } of open) {
          if (at - askedAt < waitMilliseconds) continue
          settle(Effect.fail(new NotCurrent({ waitedMilliseconds: waitMilliseconds })))
        }
      })
      yield* failOverdue.pipe(Effect.delay(overdueEvery), Effect.forever, Effect.forkScoped)

      return QueryClient.of({ ask })
    })
  )
}
