import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type BrokerFailure, BrokerRefused, BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import type { PurchaseId, UserId } from "../../src/domain/Identifier.ts"
import type { Purchase } from "../../src/domain/Purchase.ts"
import { EdgeOverloaded, PurchasePublisher, purchasesWaitingMax } from "../../src/edge/PurchasePublisher.ts"
import { InputLog, type Stored } from "../../src/nats/InputLog.ts"
import { Topology } from "../../src/nats/Topology.ts"

// Only the times of these are tested against answers that no real broker gives on demand.
const unavailable = new BrokerUnavailable({ operation: "append", reason: "not connected" })
const unknown = new OutcomeUnknown({ operation: "append", reason: "no answer in time" })
const refused = new BrokerRefused({ operation: "append", code: 10_077, reason: "maximum bytes exceeded" })

interface Sent {
  readonly subject: string
  readonly messageId: string
  readonly ids: ReadonlyArray<string>
}

type Answer = (attempt: number) => Effect.Effect<Stored, BrokerFailure>

/** A publisher over one partition whose broker answers as the test says, and all that was sent to it. */
const publisherOver = Effect.fnUntraced(function* (answer: Answer, messageBytesMax = 512 * 1024) {
  const sent: Array<Sent> = []
  const sizes: Array<number> = []
  const input = Layer.mock(InputLog, {
    append: (subject, messageId, payload) =>
      Effect.suspend(() => {
        const { purchases } = JSON.parse(payload) as { purchases: ReadonlyArray<{ purchaseId: string }> }
        sent.push({ subject, messageId, ids: purchases.map(({ purchaseId }) => purchaseId) })
        sizes.push(Buffer.byteLength(payload))
        return answer(sent.length)
      })
  })
  const topology = Layer.succeed(Topology, Topology.of({ partitions: 1, messageBytesMax }))
  const services = yield* Layer.build(PurchasePublisher.layer.pipe(Layer.provide([input, topology])))
  const publisher = yield* Effect.provide(Effect.service(PurchasePublisher), services)
  return { publisher, sent, sizes }
})

const purchase = (purchaseId: string, userId = "ann"): Purchase => ({
  purchaseId: purchaseId as PurchaseId,
  userId: userId as UserId,
  productName: "Lamp",
  productType: "Office",
  valueCents: 1_250n,
  quantity: 2
})
const many = (count: number) => Array.from({ length: count }, (_, index) => purchase(`p${index}`))
const storedAs = (sequence: number, index = 0) => Exit.succeed({ sequence, duplicate: false, index })

describe("a broker that cannot be asked", () => {
  it.effect("fails a purchase, and those behind it, within two seconds", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver(() => Effect.fail(unavailable))
      const first = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("500 millis")
      const second = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      yield* TestClock.adjust("1500 millis")
      expect([first.pollUnsafe(), second.pollUnsafe()]).toEqual([
        Exit.succeed([Exit.fail(unavailable)]),
        Exit.succeed([Exit.fail(unavailable)])
      ])
      expect(publisher.waiting()).toBe(0)
      expect(sent.every(({ ids }) => ids.join() === "p1")).toBe(true)
    })
  )

  it.effect("is asked again, and a moment without it is not noticed", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver((attempt) =>
        attempt < 5 ? Effect.fail(unavailable) : Effect.succeed({ sequence: 7, duplicate: false })
      )
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("1 second")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([storedAs(7)]))
    })
  )
})

describe("a broker that does not answer", () => {
  it.effect("is sent the same message under the same id", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver((attempt) =>
        attempt < 3 ? Effect.fail(unknown) : Effect.succeed({ sequence: 7, duplicate: true })
      )
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("1 second")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([Exit.succeed({ sequence: 7, duplicate: true, index: 0 })]))
      expect(sent).toHaveLength(3)
      expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(1)
    })
  )

  it.effect("leaves the outcome unknown, also when it is gone afterwards", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver((attempt) => Effect.fail(attempt === 1 ? unknown : unavailable))
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("4900 millis")
      expect(publishing.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("200 millis")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([Exit.fail(unknown)]))
    })
  )
})

describe("a broker that refuses", () => {
  it.effect("is not asked again, and those behind are", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver((attempt) =>
        attempt === 1 ? Effect.fail(refused) : Effect.succeed({ sequence: 8, duplicate: false })
      )
      const first = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      const second = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      expect(yield* Fiber.join(first)).toEqual([Exit.fail(refused)])
      expect(yield* Fiber.join(second)).toEqual([storedAs(8)])
      expect(sent.map(({ ids }) => ids)).toEqual([["p1"], ["p2"]])
    })
  )
})

describe("the messages", () => {
  it.effect("carry together, in their order, what came while one was under way", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<Stored>()
      const { publisher, sent } = yield* publisherOver((attempt) =>
        attempt === 1 ? Deferred.await(gate) : Effect.succeed({ sequence: 2, duplicate: false })
      )
      const fibers = yield* Effect.forEach(["p1", "p2", "p3", "p4"], (id) =>
        Effect.forkChild(publisher.publish([purchase(id, `user-${id}`)]), { startImmediately: true })
      )
      expect(publisher.waiting()).toBe(4)
      yield* Deferred.succeed(gate, { sequence: 1, duplicate: false })
      const results = yield* Effect.forEach(fibers, Fiber.join)
      expect(results).toEqual([[storedAs(1)], [storedAs(2, 0)], [storedAs(2, 1)], [storedAs(2, 2)]])
      expect(sent).toEqual([
        { subject: "purchases.0.user-p1", messageId: expect.stringMatching(/^user-p1\.p1\./), ids: ["p1"] },
        { subject: "purchases.0.=many", messageId: expect.any(String), ids: ["p2", "p3", "p4"] }
      ])
    })
  )

  it.effect("have at most 500 purchases and as many bytes as the broker takes", () =>
    Effect.gen(function* () {
      const stored = Effect.succeed({ sequence: 1, duplicate: false })
      const wide = yield* publisherOver(() => stored)
      yield* wide.publisher.publish(many(1_201))
      expect(wide.sent.map(({ ids }) => ids.length)).toEqual([500, 500, 201])
      expect(wide.sent.flatMap(({ ids }) => ids)).toEqual(many(1_201).map(({ purchaseId }) => purchaseId))

      const narrow = yield* publisherOver(() => stored, 2_000)
      yield* narrow.publisher.publish(many(100))
      expect(Math.max(...narrow.sizes)).toBeLessThanOrEqual(2_000)
      expect(narrow.sent.flatMap(({ ids }) => ids)).toHaveLength(100)
    })
  )

  it.effect("have an id of their own for each copy that has to be stored", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver(() => Effect.succeed({ sequence: 1, duplicate: false }))
      for (const isDistinct of [true, true, false, false]) {
        yield* publisher.publish([purchase("p1")], { isDistinct })
      }
      const [one, two, three, four] = sent.map(({ messageId }) => messageId)
      expect(new Set([one, two, three]).size).toBe(3)
      expect(four).toBe(three)
    })
  )
})

describe("an edge that holds as much as it may", () => {
  it.effect("refuses what is above it at once, and takes more when there is room", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<Stored>()
      const { publisher } = yield* publisherOver(() => Deferred.await(gate))
      const overloaded = [Exit.fail(new EdgeOverloaded())]
      expect((yield* publisher.publish(many(purchasesWaitingMax + 1))).slice(0, 1)).toEqual(overloaded)
      const most = yield* Effect.forkChild(publisher.publish(many(purchasesWaitingMax)), { startImmediately: true })
      expect(publisher.waiting()).toBe(purchasesWaitingMax)
      expect(yield* publisher.publish([purchase("late")])).toEqual(overloaded)
      yield* Deferred.succeed(gate, { sequence: 1, duplicate: false })
      expect((yield* Fiber.join(most)).every(Exit.isSuccess)).toBe(true)
      expect(yield* publisher.publish([purchase("late")])).toEqual([storedAs(1)])
    })
  )
})
