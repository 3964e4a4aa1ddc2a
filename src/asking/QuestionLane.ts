import { Duration, Effect, Exit, Schema } from "effect"
import type { BrokerUnavailable, OutcomeUnknown } from "../protocol/BrokerError.ts"
import { failureOf } from "../runtime/ExitFailure.ts"
import { type Consistency, type Question, Questions, questionsMax, Replies, type Reply } from "../protocol/Query.ts"
import { CallerTurns } from "./CallerTurns.ts"
import type { Fork } from "../runtime/ForkInScope.ts"
import type { RestingTurns } from "../runtime/RestingTurns.ts"

/**
 * The most questions of one partition that wait at an edge. Further questions of the partition fail with
 * `BrokerUnavailable`.
 */
export const questionsWaitingMax = 8_192
/** The most requests in flight to one partition. */
export const requestsInFlightMax = 4
/**
 * The most requests in flight to one partition that have a dear question, whose reply takes many reads. With this
 * bound, a question that is not dear always finds a free request soon.
 */
export const dearInFlightMax = 2
/**
 * How long the next request waits for the answer to the request before it, in milliseconds. Under load, few large
 * requests take less work than many small requests. The wait of the next request is bounded, because some answers are
 * slow.
 */
export const togetherMilliseconds = 10
/**
 * A request with at least this many questions makes the next request wait. A request with fewer than
 * `togetherQuestionsMin` questions shows that there is little load.
 */
const togetherQuestionsMin = 4
/**
 * The wait before questions are asked again. The partition may have no owner at the moment, or the broker may not have
 * answered.
 */
const retryWait = Duration.millis(50)
/** How long a question is asked again while the edge has no broker, in milliseconds by the edge's clock. */
const disconnectedMaxMilliseconds = 1_000

type RequestFailure = BrokerUnavailable | OutcomeUnknown

/** A question that waits for its reply. */
export interface WaitingQuestion {
  readonly question: Question
  readonly consistency: Consistency
  /** The caller for whom the question is asked; the callers of a lane take turns. */
  readonly caller: string
  readonly askedAt: number
  /** Ends the wait for the reply. */
  readonly settle: (result: Effect.Effect<Reply, BrokerUnavailable>) => void
  /** Whether the question has its reply, or the caller has left. */
  readonly isSettled: boolean
}

/** The functions that a lane uses. */
export interface LaneHands {
  readonly now: () => number
  readonly fork: Fork
  /** The turns in which the answers to dear questions are read. All lanes of an edge share them. */
  readonly dearAnswers: RestingTurns
  /** Sends a request to the owner of the lane's partition. */
  readonly request: (payload: string) => Effect.Effect<string, RequestFailure>
}

/** The kinds of questions that are dear: each reply takes its owner many reads. */
const dearKinds: ReadonlyArray<Question["kind"]> = ["page", "search", "reversals", "totalsBefore", "users"]

/**
 * Returns whether a question is dear: its reply may fill a message, and takes its owner many reads. A dear question
 * travels alone in its request.
 */
const isDear = ({ question }: WaitingQuestion): boolean =>
  dearKinds.includes(question.kind) || (question.kind === "receipt" && "reversals" in question)

const decodeReplies = Schema.decodeUnknownExit(Replies)
const encodeQuestions = Schema.encodeSync(Questions)

/**
 * Takes the questions of the next request from the front of the waiting questions. All questions of a request have one
 * consistency. Questions that have their reply, or whose caller has left, are dropped.
 */
export const takeGroup = (waiting: CallerTurns<WaitingQuestion>): ReadonlyArray<WaitingQuestion> => {
  const group: Array<WaitingQuestion> = []
  const consistency = waiting.peek()?.consistency
  while (group.length < questionsMax) {
    const first = waiting.peek()
    if (first === undefined || first.consistency !== consistency || (group.length > 0 && isDear(first))) break
    const next = waiting.take()
    if (next?.isSettled !== false) continue
    group.push(next)
    if (isDear(next)) break
  }
  return group
}

/** The questions of one edge to one partition. Questions that wait together travel in one request. */
export class QuestionLane {
  private readonly hands: LaneHands
  private readonly waiting = new CallerTurns<WaitingQuestion>()
  private readonly dear = new CallerTurns<WaitingQuestion>()
  private inFlight = 0
  private dearInFlight = 0
  private wasDear = false
  private sentAt = 0
  private sentQuestions = 0
  private isDue = false

  constructor(hands: LaneHands) {
    this.hands = hands
  }

  get isFull(): boolean {
    return this.waiting.size + this.dear.size >= questionsWaitingMax
  }

  /** Adds a question to the next request. */
  add(question: WaitingQuestion): void {
    this.queueOf(question).push(question)
    this.pump()
  }

  private queueOf(question: WaitingQuestion): CallerTurns<WaitingQuestion> {
    return isDear(question) ? this.dear : this.waiting
  }

  private pump(): void {
    while (this.inFlight < requestsInFlightMax) {
      const now = this.hands.now()
      const mayBeDear = this.dear.size > 0 && this.dearInFlight < dearInFlightMax
      const early = this.waiting.size > 0 ? this.waitsFor(now) : 0
      const others = this.waiting.size > 0 && early <= 0
      if (!mayBeDear && !others) {
        if (early > 0) this.pumpAfter(Math.min(early, togetherMilliseconds))
        return
      }
      // Dear questions and other questions take turns, if both wait.
      this.wasDear = mayBeDear && !(others && this.wasDear)
      const group = takeGroup(this.wasDear ? this.dear : this.waiting)
      if (group.length > 0) this.sendGroup(group, now)
    }
  }

  /** Returns for how many milliseconds the next request still waits for the answer to the request before it. */
  private waitsFor(now: number): number {
    const mayWait = this.inFlight > 0 && this.sentQuestions >= togetherQuestionsMin
    return mayWait ? this.sentAt + togetherMilliseconds - now : 0
  }

  private pumpAfter(milliseconds: number): void {
    if (this.isDue) return
    this.isDue = true
    const due = Effect.sync(() => {
      this.isDue = false
      this.pump()
    })
    this.hands.fork(Effect.delay(due, milliseconds))
  }

  private sendGroup(group: ReadonlyArray<WaitingQuestion>, now: number): void {
    const dear = group.some(isDear) ? 1 : 0
    this.inFlight += 1
    this.dearInFlight += dear
    this.sentAt = now
    this.sentQuestions = group.length
    const done = Effect.sync(() => {
      this.inFlight -= 1
      this.dearInFlight -= dear
      this.pump()
    })
    this.hands.fork(Effect.ensuring(this.ask(group), done))
  }

  private ask(group: ReadonlyArray<WaitingQuestion>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const consistency = group[0]?.consistency ?? "strong"
      const payload = encodeQuestions({ consistency, questions: group.map(({ question }) => question) })
      const answered = yield* Effect.exit(this.hands.request(payload))
      if (Exit.isSuccess(answered) && (yield* this.isRead(group, answered.value))) return
      yield* Effect.sleep(retryWait)
      const again = this.toRetry(group, failureOf(answered))
      if (again[0] !== undefined) this.queueOf(again[0]).putBack(again)
    })
  }

  /**
   * Reads an answer, and gives each question its reply. Returns `false` if the answer cannot be read. The questions go
   * on within the same turn, so the turn of a dear question includes the work of its response.
   */
  private isRead(group: ReadonlyArray<WaitingQuestion>, answer: string): Effect.Effect<boolean> {
    let isRead = false
    const read = () => {
      const replies = decodeReplies(answer)
      isRead = Exit.isSuccess(replies)
      if (Exit.isSuccess(replies)) this.settle(group, replies.value)
    }
    const reading = group.some(isDear) ? this.hands.dearAnswers.take(read) : Effect.sync(read)
    return Effect.map(reading, () => isRead)
  }

  private settle(group: ReadonlyArray<WaitingQuestion>, replies: ReadonlyArray<Reply>): void {
    for (const [index, waiting] of group.entries()) {
      const reply = replies[index]
      if (reply !== undefined) waiting.settle(Effect.succeed(reply))
    }
  }

  /** Returns the questions to ask again. Fails the questions that have waited too long, if the edge has no broker. */
  private toRetry(group: ReadonlyArray<WaitingQuestion>, failure: RequestFailure | undefined) {
    const isDisconnected = failure?._tag === "BrokerUnavailable" && failure.unserved !== true
    const now = this.hands.now()
    return group.filter((waiting) => {
      if (waiting.isSettled) return false
      if (!isDisconnected || now - waiting.askedAt < disconnectedMaxMilliseconds) return true
      waiting.settle(Effect.fail(failure))
      return false
    })
  }
}
