import { Clock, Context, Effect, Exit, Layer, Schema } from "effect"
import { BrokerUnavailable, type OutcomeUnknown } from "../domain/BrokerError.ts"
import { type Reply, Replies, type Consistency, type Question, Questions, questionsMax } from "../domain/Query.ts"
import { encodeToken, partitionOf } from "../domain/Subject.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import { Topology } from "../nats/Topology.ts"

/** The most questions of one partition that wait at an edge; above it a question fails as unavailable. */
export const questionsWaitingMax = 8_192
/** The most requests of one partition that are under way. */
export const requestsInFlightMax = 4
/**
 * How long what is asked waits for the answer to the request before, in milliseconds; then another request takes it,
 * for some answers are slow. Under load fewer and larger requests save nearly a fifth of what a read costs.
 */
export const togetherMilliseconds = 10
/** Nothing waits behind a request with fewer questions than this: little is asked then, and nothing to be saved. */
const togetherQuestionsMin = 4
/** An owner that has not answered after this long is asked again, or another is by then. */
const attemptWaitMilliseconds = 2_400
/** Questions that nobody answered in time are looked for this often: one timer for all costs less than one for each. */
const overdueEveryMilliseconds = 100
/** How long a partition may be without an owner, or the broker without an answer, before it is asked again. */
const retryWaitMilliseconds = 50
/** An edge without a broker says so after this long. */
const disconnectedWaitMilliseconds = 1_000

/** The owner of the user's partition did not answer in time with everything that was acknowledged. Ask again. */
export class NotCurrent extends Schema.TaggedError<NotCurrent>()("NotCurrent", {
  waitedMilliseconds: Schema.Number
}) {
  override get message() {
    return `no current answer within ${this.waitedMilliseconds} ms`
  }
}

export interface AskOptions {
  readonly consistency: Consistency
  readonly waitMilliseconds: number
}

interface Waiting {
  readonly question: Question
  readonly consistency: Consistency
  readonly settle: (result: Effect.Effect<Reply, BrokerUnavailable | NotCurrent>) => void
  readonly askedAt: number
  readonly waitMilliseconds: number
  isSettled: boolean
}

/** Whether the question, or the answer to it, may fill a message, so that it travels alone. */
const travelsAlone = ({ kind }: Question): boolean => kind === "page" || kind === "totalsBefore"

const decodeAnswers = Schema.decodeUnknownExit(Replies)
const encodeQuestions = Schema.encodeSync(Questions)

/** Asks the owners of partitions. */
export class QueryClient extends Context.Service<
  QueryClient,
  {
    readonly ask: (question: Question, options: AskOptions) => Effect.Effect<Reply, BrokerUnavailable | NotCurrent>
  }
>()("purchases/query/QueryClient") {
  static readonly layer = Layer.effect(
    QueryClient,
    Effect.gen(function* () {
      const transport = yield* QueryTransport
      const { partitions } = yield* Topology
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const run = Effect.runForkWith(yield* Effect.context<never>())

      const open = new Set<Waiting>()
      const close = (waiting: Waiting) => {
        waiting.isSettled = true
        open.delete(waiting)
      }
      const lanes = Array.from({ length: partitions }, () => ({
        waiting: new Array<Waiting>(),
        inFlight: 0,
        sentAt: 0,
        sentQuestions: 0,
        isDue: false
      }))

      const again = (group: ReadonlyArray<Waiting>, failure: BrokerUnavailable | OutcomeUnknown | undefined) => {
        const isDisconnected = failure?._tag === "BrokerUnavailable" && failure.unserved !== true
        const now = clock.currentTimeMillisUnsafe()
        return group.filter((waiting) => {
          if (waiting.isSettled) return false
          if (!isDisconnected || now - waiting.askedAt < disconnectedWaitMilliseconds) return true
          waiting.settle(Effect.fail(failure))
          return false
        })
      }

      const send = Effect.fnUntraced(function* (
        partition: number,
        group: ReadonlyArray<Waiting>,
        consistency: Consistency
      ) {
        const payload = encodeQuestions({ consistency, questions: group.map(({ question }) => question) })
        const reply = yield* Effect.exit(transport.ask(partition, payload, attemptWaitMilliseconds))
        const answers = Exit.isSuccess(reply) ? decodeAnswers(reply.value) : undefined
        if (answers !== undefined && Exit.isSuccess(answers)) {
          for (const [index, waiting] of group.entries()) {
            const answer = answers.value[index]
            if (answer !== undefined) waiting.settle(Effect.succeed(answer))
          }
          return
        }
        yield* Effect.sleep(retryWaitMilliseconds)
        const failure = Exit.isFailure(reply) ? Exit.findErrorOption(reply) : undefined
        lanes[partition]?.waiting.unshift(...again(group, failure?._tag === "Some" ? failure.value : undefined))
      })

      const pump = (partition: number) => {
        const lane = lanes[partition]
        if (lane === undefined) return
        while (lane.inFlight < requestsInFlightMax && lane.waiting.length > 0) {
          const now = clock.currentTimeMillisUnsafe()
          const isAlone = lane.waiting[0] !== undefined && travelsAlone(lane.waiting[0].question)
          const mayWait = lane.inFlight > 0 && lane.sentQuestions >= togetherQuestionsMin && !isAlone
          const early = mayWait ? lane.sentAt + togetherMilliseconds - now : 0
          if (early > 0) return pumpAfter(partition, Math.min(early, togetherMilliseconds))
          const group: Array<Waiting> = []
          const consistency = lane.waiting[0]?.consistency ?? "strong"
          while (group.length < questionsMax && lane.waiting[0]?.consistency === consistency) {
            if (group.length > 0 && travelsAlone(lane.waiting[0].question)) break
            const waiting = lane.waiting.shift()
            if (waiting?.isSettled !== false) continue
            group.push(waiting)
            if (travelsAlone(waiting.question)) break
          }
          if (group.length === 0) continue
          lane.inFlight += 1
          lane.sentAt = now
          lane.sentQuestions = group.length
          const done = Effect.sync(() => {
            lane.inFlight -= 1
            pump(partition)
          })
          run(Effect.forkIn(Effect.ensuring(send(partition, group, consistency), done), scope))
        }
      }

      const pumpAfter = (partition: number, milliseconds: number) => {
        const lane = lanes[partition]
        if (lane === undefined || lane.isDue) return
        lane.isDue = true
        const due = Effect.sync(() => {
          lane.isDue = false
          pump(partition)
        })
        run(Effect.forkIn(Effect.delay(due, milliseconds), scope))
      }

      const ask = (question: Question, options: AskOptions) =>
        Effect.callback<Reply, BrokerUnavailable | NotCurrent>((resume) => {
          const partition = partitionOf(encodeToken(question.userId), partitions)
          const lane = lanes[partition]
          if (lane === undefined || lane.waiting.length >= questionsWaitingMax) {
            const reason = `${questionsWaitingMax} questions wait already`
            return resume(Effect.fail(new BrokerUnavailable({ operation: "ask the owner of the account", reason })))
          }
          const waiting: Waiting = {
            question,
            waitMilliseconds: options.waitMilliseconds,
            consistency: options.consistency,
            askedAt: clock.currentTimeMillisUnsafe(),
            isSettled: false,
            settle: (result) => {
              close(waiting)
              resume(result)
            }
          }
          open.add(waiting)
          lane.waiting.push(waiting)
          pump(partition)
          return Effect.sync(() => close(waiting))
        })

      const failOverdue = Effect.sync(() => {
        const now = clock.currentTimeMillisUnsafe()
        for (const { askedAt, waitMilliseconds, settle } of open) {
          if (now - askedAt >= waitMilliseconds) {
            settle(Effect.fail(new NotCurrent({ waitedMilliseconds: waitMilliseconds })))
          }
        }
      })
      yield* failOverdue.pipe(Effect.delay(overdueEveryMilliseconds), Effect.forever, Effect.forkScoped)

      return QueryClient.of({ ask })
    })
  )
}
