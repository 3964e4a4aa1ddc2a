import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { RestingTurns } from "../../src/runtime/RestingTurns.ts"
import type { Consistency, Question } from "../../src/protocol/Query.ts"
import { CallerTurns } from "../../src/asking/CallerTurns.ts"
import { QuestionLane, takeGroup, type WaitingQuestion } from "../../src/asking/QuestionLane.ts"

const waiting = (
  question: Question,
  consistency: Consistency = "strong",
  isSettled: boolean = false,
  caller = ""
): WaitingQuestion => ({ question, consistency, caller, isSettled, askedAt: 0, settle: () => undefined })

const total = (userId: string): Question => ({ kind: "total", userId })
const before = (userId: string): Question => ({ kind: "totalsBefore", userId, moments: [1] })
const page = (userId: string): Question => ({ kind: "page", userId, limit: 10 })

const userOf = ({ question }: WaitingQuestion) => ("userId" in question ? question.userId : "")

/** Takes requests from a queue until it is empty, and returns the users of each request. */
const requestsOf = (...questions: Array<WaitingQuestion>) => {
  const requests: Array<ReadonlyArray<string>> = []
  const queue = new CallerTurns<WaitingQuestion>()
  for (const question of questions) queue.push(question)
  while (queue.size > 0) requests.push(takeGroup(queue).map(userOf))
  return requests
}

describe("A request", () => {
  it("a request carries the questions that wait together, in their order", () => {
    expect(requestsOf(waiting(total("ann")), waiting(total("bob")))).toEqual([["ann", "bob"]])
  })

  it("a request carries only strong questions, or only eventual questions", () => {
    const queue = [waiting(total("ann")), waiting(total("bob"), "eventual"), waiting(total("cat"), "eventual")]
    expect(requestsOf(...queue)).toEqual([["ann"], ["bob", "cat"]])
  })

  it("a question for a page has a request of its own, whether other questions wait before or behind it", () => {
    const queue = [waiting(page("ann")), waiting(total("bob")), waiting(page("cat")), waiting(total("dan"))]
    expect(requestsOf(...queue)).toEqual([["ann"], ["bob"], ["cat"], ["dan"]])
  })

  it("a request leaves out questions that nobody waits for any more", () => {
    expect(requestsOf(waiting(total("ann"), "strong", true), waiting(total("bob")))).toEqual([["bob"]])
  })

  it("a request takes the questions of several callers in turn, and the questions of one caller in order", () => {
    const of = (caller: string, user: string) => waiting(page(user), "strong", false, caller)
    const queue = [of("a", "a1"), of("a", "a2"), of("a", "a3"), of("b", "b1"), of("c", "c1"), of("b", "b2")]
    expect(requestsOf(...queue).flat()).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"])
  })

  it("questions that are asked again come before the new questions of the same caller", () => {
    const queue = new CallerTurns<WaitingQuestion>()
    const of = (user: string, caller = "a") => waiting(page(user), "strong", false, caller)
    for (const user of ["a3", "a4"]) queue.push(of(user))
    queue.putBack([of("a1"), of("a2"), of("b1", "b")])
    const taken = Array.from({ length: queue.size }, () => takeGroup(queue).map(userOf)[0])
    expect(taken).toEqual(["a1", "b1", "a2", "a3", "a4"])
    expect(queue.size).toBe(0)
  })
})

describe("A lane of questions", () => {
  it("after the answer to a dear question a lane rests before the next dear answer, and other answers do not wait", () =>
    Effect.gen(function* () {
      let now = 0
      const settled: Array<string> = []
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const lane = new QuestionLane({
        now: () => now,
        fork: (effect) => void run(effect),
        dearAnswers: new RestingTurns(() => now),
        request: (payload) => {
          const { questions } = JSON.parse(payload) as { questions: ReadonlyArray<Question> }
          const replies = questions.map(({ kind }) =>
            kind === "total"
              ? { kind, total: "1", count: 1, reversals: 0, revision: 1 }
              : { kind, revision: 1, totals: [] }
          )
          return Effect.succeed(JSON.stringify(replies))
        }
      })
      const ask = (question: Question) =>
        lane.add({
          ...waiting(question),
          settle: () => {
            settled.push(userOf(waiting(question)))
            if (question.kind !== "total") now += 5
          }
        })
      for (const question of [before("ann"), before("bob"), total("cat")]) ask(question)
      yield* TestClock.adjust(4)
      expect(settled).toEqual(["ann", "cat"])
      yield* TestClock.adjust(1)
      expect(settled).toEqual(["ann", "cat", "bob"])
    }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise))
})
