import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import type { Consistency } from "../../src/protocol/Query.ts"
import { readWaitMilliseconds } from "../../src/edge/account/AccountReads.ts"
import { QueryTransport } from "../../src/nats/QueryTransport.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { NotCurrent, QueryClient } from "../../src/asking/QueryClient.ts"
import { AskingCaller } from "../../src/asking/CallerTurns.ts"
import { dearInFlightMax, requestsInFlightMax, togetherMilliseconds } from "../../src/asking/QuestionLane.ts"

const gone = new BrokerUnavailable({ operation: "query", reason: "not connected" })
const unserved = new BrokerUnavailable({ operation: "query", reason: "nobody serves this subject", unserved: true })
const unknown = new OutcomeUnknown({ operation: "query", reason: "no answer in time" })

interface Asked {
  readonly consistency: Consistency
  readonly questions: ReadonlyArray<{ readonly userId: string }>
}

const answerTo = ({ questions }: Asked): string =>
  JSON.stringify(
    questions.map((_, index) => ({ kind: "total", total: String(index), count: 1, reversals: 0, revision: 1 }))
  )

type Reply = (asked: Asked, attempt: number) => Effect.Effect<string, BrokerUnavailable | OutcomeUnknown>

const clientOver = Effect.fnUntraced(function* (reply: Reply) {
  const asked: Array<Asked> = []
  const transport = Layer.mock(QueryTransport, {
    ask: (_partition, payload) =>
      Effect.suspend(() => {
        const request = JSON.parse(payload) as Asked
        asked.push(request)
        return reply(request, asked.length)
      })
  })
  const topology = Layer.succeed(Topology, Topology.of({ partitions: 1, messageBytesMax: 1_000 }))
  const services = yield* Layer.build(QueryClient.layer.pipe(Layer.provide([transport, topology])))
  const client = yield* Effect.provide(Effect.service(QueryClient), services)
  const total = (userId: string, consistency: Consistency = "strong") =>
    client.ask({ kind: "total", userId }, { consistency, waitMilliseconds: readWaitMilliseconds })
  const totalsBefore = (userId: string) =>
    client.ask({ kind: "totalsBefore", userId, moments: [1] }, { consistency: "strong", waitMilliseconds: 5_000 })
  return { total, totalsBefore, asked }
})

const totalOf = (cents: bigint) => Exit.succeed({ kind: "total", total: cents, count: 1, reversals: 0, revision: 1 })

describe("a question", () => {
  it.effect("a question fails within two seconds without a broker", () =>
    Effect.gen(function* () {
      const { total } = yield* clientOver(() => Effect.fail(gone))
      const asking = yield* Effect.forkChild(total("ann"))
      yield* TestClock.adjust("2 seconds")
      expect(asking.pollUnsafe()).toEqual(Exit.fail(gone))
    })
  )

  it.effect("a question waits five seconds for an owner, and no longer", () =>
    Effect.gen(function* () {
      const { total } = yield* clientOver(() => Effect.fail(unserved))
      const asking = yield* Effect.forkChild(total("ann"))
      yield* TestClock.adjust("4999 millis")
      expect(asking.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(asking.pollUnsafe()).toEqual(Exit.fail(new NotCurrent({ waitedMilliseconds: 5_000 })))
    })
  )

  it.effect("a question is asked again if it gets no answer, an unreadable answer, or finds no owner", () =>
    Effect.gen(function* () {
      const { total, asked } = yield* clientOver((request, attempt) => {
        if (attempt === 1) return Effect.fail(unknown)
        if (attempt === 2) return Effect.succeed("{}")
        return attempt === 3 ? Effect.fail(unserved) : Effect.succeed(answerTo(request))
      })
      const asking = yield* Effect.forkChild(total("ann"))
      yield* TestClock.adjust("1 second")
      expect(asking.pollUnsafe()).toEqual(totalOf(0n))
      expect(asked).toHaveLength(4)
    })
  )

  it.effect("a question that nobody waits for any more is not asked again", () =>
    Effect.gen(function* () {
      const { total, asked } = yield* clientOver(() => Effect.fail(unserved))
      yield* Effect.forkChild(total("ann"))
      yield* TestClock.adjust("6 seconds")
      const before = asked.length
      yield* TestClock.adjust("6 seconds")
      expect(asked).toHaveLength(before)
    })
  )

  it.effect("a question is sent at once if few requests are in flight, and else with other waiting questions", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { total, asked } = yield* clientOver((request) => Effect.as(Deferred.await(gate), answerTo(request)))
      const ask = (userId: string, consistency?: Consistency) =>
        Effect.forkChild(total(userId, consistency), { startImmediately: true })
      const atOnce = yield* Effect.forEach(["a", "b", "c", "d"], (userId) => ask(userId))
      yield* TestClock.adjust(0)
      expect(asked).toHaveLength(4)
      const meanwhile = yield* Effect.forEach(["e", "f", "g"], (userId) => ask(userId))
      const eventual = yield* ask("h", "eventual")
      yield* TestClock.adjust(0)
      expect(asked).toHaveLength(4)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("1 millis")
      expect(atOnce.map((fiber) => fiber.pollUnsafe())).toEqual([0n, 0n, 0n, 0n].map(totalOf))
      expect(meanwhile.map((fiber) => fiber.pollUnsafe())).toEqual([0n, 1n, 2n].map(totalOf))
      expect(eventual.pollUnsafe()).toEqual(totalOf(0n))
      expect(
        asked
          .slice(4)
          .map(({ consistency, questions }) => [consistency, questions.map(({ userId }) => userId).join("")])
      ).toEqual([
        ["strong", "efg"],
        ["eventual", "h"]
      ])
    })
  )

  it.effect("a question waits briefly behind a large request, and the number of requests in flight is bounded", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { total, asked } = yield* clientOver((request, attempt) =>
        attempt <= requestsInFlightMax ? Effect.as(Deferred.await(gate), answerTo(request)) : Effect.never
      )
      const ask = (userId: string) => Effect.forkChild(total(userId), { startImmediately: true })
      for (let index = 0; index < requestsInFlightMax; index += 1) yield* ask("first")
      for (const userId of ["a", "b", "c", "d"]) yield* ask(userId)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("1 millis")
      for (const userId of ["e", "f", "g", "h"]) yield* ask(userId)
      yield* TestClock.adjust(togetherMilliseconds - 2)
      expect(asked).toHaveLength(requestsInFlightMax + 1)
      yield* TestClock.adjust("1 millis")
      for (const userId of ["i", "j", "k", "l", "m"]) {
        yield* ask(userId)
        yield* TestClock.adjust(togetherMilliseconds)
      }
      const groups = asked.slice(requestsInFlightMax)
      expect(groups.map(({ questions }) => questions.map(({ userId }) => userId).join(""))).toEqual([
        "abcd",
        "efgh",
        "i",
        "j"
      ])
    })
  )

  it.effect("a question for many totals of the past is sent alone, because its answer may fill a message", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { total, totalsBefore, asked } = yield* clientOver((request) =>
        Effect.as(Deferred.await(gate), answerTo(request))
      )
      const first = total("a")
      const waiting = [total("e"), totalsBefore("f"), totalsBefore("g"), total("h"), total("i")]
      yield* Effect.forEach([first, ...waiting], (asking) => Effect.forkChild(asking, { startImmediately: true }))
      yield* TestClock.adjust("1 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("1 millis")
      const groups = asked.map(({ questions }) => questions.map(({ userId }) => userId).join(""))
      expect(groups.slice(1)).toEqual(["e", "f", "g", "hi"])
    })
  )

  it.effect("expensive questions of one caller leave requests free for the total of another caller", () =>
    Effect.gen(function* () {
      const isPage = ({ questions }: Asked) => "moments" in (questions[0] ?? {})
      const { total, totalsBefore, asked } = yield* clientOver((request) =>
        isPage(request) ? Effect.never : Effect.succeed(answerTo(request))
      )
      yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(totalsBefore("ann")), { discard: true })
      yield* TestClock.adjust("1 millis")
      expect(asked).toHaveLength(dearInFlightMax)
      expect(yield* Effect.exit(total("bob"))).toEqual(totalOf(0n))
    })
  )

  it.effect("the expensive questions of two callers take turns", () =>
    Effect.gen(function* () {
      const users: Array<string> = []
      const { totalsBefore } = yield* clientOver((request) => {
        users.push(request.questions[0]?.userId ?? "")
        return Effect.delay(Effect.succeed(answerTo(request)), "1 millis")
      })
      const by = (caller: string) => Effect.provideService(AskingCaller, caller)
      for (let number = 0; number < 20; number += 1) {
        yield* Effect.forkChild(by("greedy")(Effect.ignore(totalsBefore(`greedy-${number}`))))
      }
      yield* Effect.yieldNow
      yield* Effect.forkChild(by("victim")(Effect.ignore(totalsBefore("victim"))))
      yield* Effect.yieldNow
      for (let step = 0; step < 5; step += 1) yield* TestClock.adjust("1 millis")
      expect(users.slice(0, 5)).toContain("victim")
    })
  )
})
