import { describe, expect, it } from "vitest"
import type { Consistency, Question } from "../../src/protocol/Query.ts"
import { takeGroup, type WaitingQuestion } from "../../src/asking/QuestionLane.ts"

const waiting = (
  question: Question,
  consistency: Consistency = "strong",
  isSettled: boolean = false
): WaitingQuestion => ({ question, consistency, isSettled, askedAt: 0, settle: () => undefined })

const total = (userId: string): Question => ({ kind: "total", userId })
const page = (userId: string): Question => ({ kind: "page", userId, limit: 10 })

/** Takes requests from a queue until it is empty, and returns the users of each. */
const requestsOf = (...queue: Array<WaitingQuestion>) => {
  const requests: Array<ReadonlyArray<string>> = []
  while (queue.length > 0) requests.push(takeGroup(queue).map(({ question }) => question.userId))
  return requests
}

describe("A request", () => {
  it("a request carries the questions that wait together, in their order", () => {
    expect(requestsOf(waiting(total("ann")), waiting(total("bob")))).toEqual([["ann", "bob"]])
  })

  it("a request carries questions of one consistency only", () => {
    const queue = [waiting(total("ann")), waiting(total("bob"), "eventual"), waiting(total("cat"), "eventual")]
    expect(requestsOf(...queue)).toEqual([["ann"], ["bob", "cat"]])
  })

  it("a request carries a question for a page alone, whether it comes first or later", () => {
    const queue = [waiting(page("ann")), waiting(total("bob")), waiting(page("cat")), waiting(total("dan"))]
    expect(requestsOf(...queue)).toEqual([["ann"], ["bob"], ["cat"], ["dan"]])
  })

  it("a request leaves out questions that nobody waits for any more", () => {
    expect(requestsOf(waiting(total("ann"), "strong", true), waiting(total("bob")))).toEqual([["bob"]])
  })
})
