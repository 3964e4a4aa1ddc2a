import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type BrokerFailure, BrokerRefused, BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { type AppliedNotice, encodeNotices } from "../../src/protocol/AppliedNotice.ts"
import { paceMillisecondsMin } from "../../src/intake/Pace.ts"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import type { Purchase } from "../../src/account/Purchase.ts"
import { publishAtOncePurchases } from "../../src/intake/PublishPacer.ts"
import { EdgeOverloaded, type Published, purchasesWaitingMax } from "../../src/intake/PublishResult.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { streamedWaitingMax } from "../../src/intake/WaitingPurchases.ts"
import { InputLog, type Stored } from "../../src/nats/InputLog.ts"
import { NoticeTransport } from "../../src/nats/NoticeTransport.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { NoticeInbox, noticeWaitMilliseconds } from "../../src/intake/NoticeInbox.ts"

// The tests of this file need answers at certain times, which no real broker gives on demand.
const unavailable = new BrokerUnavailable({ operation: "append", reason: "not connected" })
const leaderless = new BrokerUnavailable({ operation: "append", reason: "nobody serves this subject", unserved: true })
const unknown = new OutcomeUnknown({ operation: "append", reason: "no answer in time" })
const refused = new BrokerRefused({ operation: "append", code: 10_077, reason: "maximum bytes exceeded" })

interface Sent {
  readonly subject: string
  readonly messageId: string
  readonly ids: ReadonlyArray<string>
}

type Answer = (attempt: number) => Effect.Effect<Stored, BrokerFailure>

/**
 * A publisher for one partition whose broker answers as the test says. The publisher keeps all messages that were sent.
 */
const publisherOver = Effect.fnUntraced(function* (answer: Answer, messageBytesMax = 512 * 1024) {
  const sent: Array<Sent> = []
  const sizes: Array<number> = []
  const addresses: Array<string | undefined> = []
  const told: Array<(payload: string) => void> = []
  const notices = Layer.succeed(
    NoticeTransport,
    NoticeTransport.of({
      listen: (heard) =>
        Effect.as(
          Effect.sync(() => void told.push(heard)),
          "e"
        ),
      tell: () => undefined
    })
  )
  const input = Layer.mock(InputLog, {
    failingFor: () => 0,
    append: (subject, messageId, payload, noticeTo) =>
      Effect.suspend(() => {
        const { purchases } = JSON.parse(payload) as { purchases: ReadonlyArray<{ purchaseId: string }> }
        sent.push({ subject, messageId, ids: purchases.map(({ purchaseId }) => purchaseId) })
        sizes.push(Buffer.byteLength(payload))
        addresses.push(noticeTo)
        return answer(sent.length)
      })
  })
  const topology = Layer.succeed(Topology, Topology.of({ partitions: 1, messageBytesMax }))
  const inbox = NoticeInbox.layer.pipe(Layer.provide(notices))
  const services = yield* Layer.build(PurchasePublisher.layer.pipe(Layer.provide([input, topology, inbox])))
  const publisher = yield* Effect.provide(Effect.service(PurchasePublisher), services)
  const tell = (...applied: ReadonlyArray<AppliedNotice>) => told[0]?.(encodeNotices(applied))
  return { publisher, sent, sizes, addresses, tell }
})

/** Runs everything that is due now. */
const sending = TestClock.adjust(0)
/** Lets the time pass in which new purchases wait for further purchases. */
const paced = TestClock.adjust(paceMillisecondsMin)

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
  it.effect("a purchase and the purchases behind that purchase fail within two seconds without a broker", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver(() => Effect.fail(unavailable))
      const first = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("500 millis")
      const second = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      yield* TestClock.adjust("1500 millis")
      expect({ first: first.pollUnsafe(), second: second.pollUnsafe() }).toEqual({
        first: Exit.succeed([Exit.fail(unavailable)]),
        second: Exit.succeed([Exit.fail(unavailable)])
      })
      expect(publisher.waiting()).toBe(0)
      expect(sent.every(({ ids }) => ids.join() === "p1")).toBe(true)
    })
  )

  it.effect("a broker that was gone for a moment is asked again, and the caller gets no failure", () =>
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

describe("a cluster that elects a leader", () => {
  it.effect("while a cluster elects a leader, the same message is sent again under the same id", () =>
    Effect.gen(function* () {
      let isElected = false
      const { publisher, sent } = yield* publisherOver(() =>
        isElected ? Effect.succeed({ sequence: 7, duplicate: false }) : Effect.fail(leaderless)
      )
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("9 seconds")
      expect(publishing.pollUnsafe()).toBeUndefined()
      isElected = true
      yield* TestClock.adjust("100 millis")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([storedAs(7)]))
      expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(1)
    })
  )

  it.effect("a purchase fails if a cluster has no leader after ten seconds", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver(() => Effect.fail(leaderless))
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("10100 millis")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([Exit.fail(leaderless)]))
    })
  )
})

describe("purchases behind a message that found no leader", () => {
  it.effect("purchases that wait behind a message fail at the same time as the message", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver(() => Effect.fail(leaderless))
      yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      yield* TestClock.adjust("1 second")
      const behind = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      yield* TestClock.adjust("9100 millis")
      expect(behind.pollUnsafe()).toEqual(Exit.succeed([Exit.fail(leaderless)]))
      expect(publisher.waiting()).toBe(0)
    })
  )
})

describe("a broker that does not answer", () => {
  it.effect("if the broker does not answer, the publisher sends the same message under the same message id again", () =>
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

  it.effect("a broker that does not answer leaves the outcome unknown, even if the broker is gone afterwards", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver((attempt) => Effect.fail(attempt === 1 ? unknown : unavailable))
      const publishing = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      const behind = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      yield* TestClock.adjust("1100 millis")
      // A message that was not sent is surely not stored, and its caller need not wait.
      expect(behind.pollUnsafe()).toEqual(Exit.succeed([Exit.fail(unavailable)]))
      yield* TestClock.adjust("3800 millis")
      expect(publishing.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("200 millis")
      expect(publishing.pollUnsafe()).toEqual(Exit.succeed([Exit.fail(unknown)]))
    })
  )
})

describe("a broker that refuses", () => {
  it.effect("a message that the broker refuses is not sent again, and the next message is sent", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver((attempt) =>
        attempt === 1 ? Effect.fail(refused) : Effect.succeed({ sequence: 8, duplicate: false })
      )
      const first = yield* Effect.forkChild(publisher.publish([purchase("p1")]))
      const second = yield* Effect.forkChild(publisher.publish([purchase("p2")]))
      expect(yield* Fiber.join(first)).toEqual([Exit.fail(refused)])
      yield* paced
      expect(yield* Fiber.join(second)).toEqual([storedAs(8)])
      expect(sent.map(({ ids }) => ids)).toEqual([["p1"], ["p2"]])
    })
  )
})

describe("the messages of a publisher", () => {
  it.effect("a message carries the purchases that came while another message was under way, in their order", () =>
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
      yield* paced
      const results = yield* Effect.forEach(fibers, Fiber.join)
      expect(results).toEqual([[storedAs(1)], [storedAs(2, 0)], [storedAs(2, 1)], [storedAs(2, 2)]])
      expect(sent).toEqual([
        { subject: "purchases.0.user-p1", messageId: expect.stringMatching(/^user-p1\.p1\./), ids: ["p1"] },
        { subject: "purchases.0.=many", messageId: expect.any(String), ids: ["p2", "p3", "p4"] }
      ])
    })
  )

  it.effect("messages of all partitions are sent together, and a single purchase is sent at once", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver((attempt) =>
        Effect.succeed({ sequence: attempt, duplicate: false })
      )
      const publish = (id: string) => Effect.forkChild(publisher.publish([purchase(id)]), { startImmediately: true })
      yield* publish("p1")
      yield* sending
      expect(sent.map(({ ids }) => ids)).toEqual([["p1"]])
      yield* publish("p2")
      yield* publish("p3")
      yield* TestClock.adjust(paceMillisecondsMin - 1)
      expect(sent).toHaveLength(1)
      yield* TestClock.adjust(1)
      expect(sent.map(({ ids }) => ids)).toEqual([["p1"], ["p2", "p3"]])
      yield* paced
      yield* publish("p4")
      yield* sending
      expect(sent).toHaveLength(3)
    })
  )

  it.effect("messages with enough purchases do not wait for further purchases", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver((attempt) =>
        Effect.succeed({ sequence: attempt, duplicate: false })
      )
      yield* publisher.publish([purchase("first")])
      yield* publisher.publish(many(publishAtOncePurchases))
      expect(sent.map(({ ids }) => ids.length)).toEqual([1, publishAtOncePurchases])
    })
  )

  it.effect("a message has at most 500 purchases and as many bytes as the broker takes", () =>
    Effect.gen(function* () {
      const stored = Effect.succeed({ sequence: 1, duplicate: false })
      const wide = yield* publisherOver(() => stored)
      yield* wide.publisher.publish(many(1_201))
      expect(wide.sent.map(({ ids }) => ids.length)).toEqual([500, 500, 201])
      expect(wide.sent.flatMap(({ ids }) => ids)).toEqual(many(1_201).map(({ purchaseId }) => purchaseId))

      const narrow = yield* publisherOver(() => stored, 2_000)
      const publishing = yield* Effect.forkChild(narrow.publisher.publish(many(100)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(publishing)
      expect(Math.max(...narrow.sizes)).toBeLessThanOrEqual(2_000)
      expect(narrow.sent.flatMap(({ ids }) => ids)).toHaveLength(100)
    })
  )

  it.effect("if the broker has to store each copy of a purchase, each message has a message id of its own", () =>
    Effect.gen(function* () {
      const { publisher, sent } = yield* publisherOver(() => Effect.succeed({ sequence: 1, duplicate: false }))
      for (const storeEveryCopy of [true, true, false, false]) {
        yield* publisher.publish([purchase("p1")], { storeEveryCopy })
        yield* paced
      }
      const [one, two, three, four] = sent.map(({ messageId }) => messageId)
      expect(new Set([one, two, three]).size).toBe(3)
      expect(four).toBe(three)
    })
  )
})

describe("a purchase that is waited for", () => {
  const stored = { sequence: 7, duplicate: false }
  const onlyStored = (published: Published) => Effect.succeed({ kind: "stored", published } as const)
  const awaited = (publisher: (typeof PurchasePublisher)["Service"], id = "p1") =>
    Effect.forkChild(publisher.publishAndWait(purchase(id), onlyStored), { startImmediately: true })

  it.effect("a purchase is answered when its notice comes, before or after the broker's answer", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<Stored>()
      const { publisher, addresses, tell } = yield* publisherOver((attempt) =>
        attempt === 1 ? Deferred.await(gate) : Effect.succeed(stored)
      )
      const first = yield* awaited(publisher)
      yield* sending
      expect(addresses).toEqual(["e.1"])
      tell({ message: 1, index: 0, totalAfter: 2_500n })
      expect(yield* Fiber.join(first)).toEqual({ kind: "applied", totalAfter: 2_500n })
      yield* Deferred.succeed(gate, stored)
      yield* paced
      const second = yield* awaited(publisher, "p2")
      yield* TestClock.adjust(noticeWaitMilliseconds - 1)
      expect(second.pollUnsafe()).toBeUndefined()
      tell({ message: 2, index: 0, totalAfter: 5_000n })
      expect(yield* Fiber.join(second)).toEqual({ kind: "applied", totalAfter: 5_000n })
      expect(publisher.waiting()).toBe(0)
    })
  )

  it.effect("a purchase without a notice is answered as stored, and each purchase of a group has its notice", () =>
    Effect.gen(function* () {
      const { publisher, sent, tell } = yield* publisherOver(() => Effect.succeed(stored))
      yield* publisher.publish([purchase("first")])
      const told = yield* awaited(publisher, "told")
      const untold = yield* awaited(publisher, "untold")
      yield* paced
      expect(sent[1]?.ids).toEqual(["told", "untold"])
      tell({ message: 1, index: 0, totalAfter: 9n }, { message: 99, index: 0, totalAfter: 1n })
      expect(yield* Fiber.join(told)).toEqual({ kind: "applied", totalAfter: 9n })
      yield* TestClock.adjust(noticeWaitMilliseconds + 200)
      expect(yield* Fiber.join(untold)).toEqual({ kind: "stored", published: { ...stored, index: 1 } })
    })
  )

  it.effect("after the notice of a refusal, the purchase is answered as stored, and not as applied", () =>
    Effect.gen(function* () {
      const { publisher, tell } = yield* publisherOver(() => Effect.succeed(stored))
      const refused = yield* awaited(publisher)
      yield* paced
      tell({ message: 1, index: 0, totalAfter: 9n, refusal: "nothing-left" })
      yield* TestClock.adjust(noticeWaitMilliseconds + 200)
      expect(yield* Fiber.join(refused)).toEqual({ kind: "stored", published: { ...stored, index: 0 } })
    })
  )

  it.effect("a notice that comes twice, or that nobody waits for, does not count for another purchase", () =>
    Effect.gen(function* () {
      const { publisher, tell } = yield* publisherOver(() => Effect.succeed(stored))
      yield* publisher.publish([purchase("first")])
      const one = yield* awaited(publisher, "one")
      yield* Effect.forkChild(publisher.publish([purchase("unawaited")]), { startImmediately: true })
      const other = yield* awaited(publisher, "other")
      yield* paced
      tell(...[0, 0, 1].map((index) => ({ message: 1, index, totalAfter: 9n })))
      expect(yield* Fiber.join(one)).toEqual({ kind: "applied", totalAfter: 9n })
      tell({ message: 1, index: 2, totalAfter: 11n })
      expect(yield* Fiber.join(other)).toEqual({ kind: "applied", totalAfter: 11n })
    })
  )

  it.effect("if the broker already had a purchase, the edge asks for the outcome at once, without a notice", () =>
    Effect.gen(function* () {
      const { publisher } = yield* publisherOver(() => Effect.succeed({ sequence: 7, duplicate: true }))
      const published = { sequence: 7, duplicate: true, index: 0 }
      expect(yield* publisher.publishAndWait(purchase("p1"), onlyStored)).toEqual({ kind: "stored", published })
    })
  )

  it.effect("a purchase that cannot be stored fails, and a later notice of that purchase changes nothing", () =>
    Effect.gen(function* () {
      const { publisher, tell } = yield* publisherOver(() => Effect.fail(refused))
      expect(yield* Effect.exit(publisher.publishAndWait(purchase("p1"), onlyStored))).toEqual(Exit.fail(refused))
      tell({ message: 1, index: 0, totalAfter: 9n })
      expect(publisher.waiting()).toBe(0)
    })
  )
})

describe("an edge that holds as much as it may", () => {
  it.effect("a full edge refuses a purchase at once, and takes purchases again when there is room", () =>
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
      yield* paced
      expect(yield* publisher.publish([purchase("late")])).toEqual([storedAs(1)])
    })
  )
})

describe("bodies of lines", () => {
  const stored = { sequence: 1, duplicate: false }

  it.effect("bodies of lines wait in turn if they fill their share of the room; single purchases still fit", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<Stored>()
      const { publisher, sent } = yield* publisherOver(() => Deferred.await(gate))
      const first = yield* publisher.submit(many(streamedWaitingMax))
      const second = yield* Effect.forkChild(publisher.submit([purchase("second")]), { startImmediately: true })
      const third = yield* Effect.forkChild(publisher.submit([purchase("third")]), { startImmediately: true })
      const single = yield* Effect.forkChild(publisher.publish([purchase("single")]), { startImmediately: true })
      expect(publisher.waiting()).toBe(streamedWaitingMax + 1)
      expect({ second: second.pollUnsafe(), third: third.pollUnsafe() }).toEqual({
        second: undefined,
        third: undefined
      })
      yield* Deferred.succeed(gate, stored)
      expect((yield* first.results).every(Exit.isSuccess)).toBe(true)
      for (const submitting of [second, third]) {
        expect((yield* (yield* Fiber.join(submitting)).results).map(Exit.isSuccess)).toEqual([true])
      }
      expect((yield* Fiber.join(single)).map(Exit.isSuccess)).toEqual([true])
      const ids = sent.flatMap(({ ids }) => ids)
      expect(ids.slice(0, streamedWaitingMax)).toEqual(many(streamedWaitingMax).map(({ purchaseId }) => purchaseId))
      expect(ids.indexOf("third")).toBeGreaterThan(ids.indexOf("second"))
      expect(publisher.waiting()).toBe(0)
    })
  )

  it.effect("a body of lines that is given up while it waits is not stored", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<Stored>()
      const { publisher, sent } = yield* publisherOver(() => Deferred.await(gate))
      const first = yield* publisher.submit(many(streamedWaitingMax))
      const left = yield* Effect.forkChild(publisher.submit([purchase("left")]), { startImmediately: true })
      yield* Fiber.interrupt(left)
      yield* Deferred.succeed(gate, stored)
      yield* first.results
      yield* (yield* publisher.submit([purchase("after")])).results
      expect(sent.flatMap(({ ids }) => ids).filter((id) => !id.startsWith("p"))).toEqual(["after"])
    })
  )
})
