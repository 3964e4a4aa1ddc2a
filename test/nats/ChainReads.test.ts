import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { headers, type Msg, type NatsConnection } from "nats"
import { describe, expect } from "vitest"
import { OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { CommitChain, chainReadsMax } from "../../src/nats/CommitChain.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import type { Request } from "../../src/nats/client/RequestInbox.ts"

/** Lets all fibers run until each fiber waits. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const stored = (sequence: number): Msg => {
  const written = headers()
  written.set("Nats-Sequence", String(sequence))
  written.set("Nats-Time-Stamp", "2026-11-28T08:00:00Z")
  return { headers: written, string: () => `record ${sequence}` } as unknown as Msg
}

/** Makes a connection on which each read at a sequence waits until the test answers the read. */
const makeBroker = (areLeadersCurrent = () => true) => {
  const asked: Array<number> = []
  const waiting: Array<Deferred.Deferred<Msg, OutcomeUnknown>> = []
  let most = 0
  const request = ({ payload }: Request): Effect.Effect<Msg, OutcomeUnknown> => {
    const answer = Deferred.makeUnsafe<Msg, OutcomeUnknown>()
    asked.push(JSON.parse(String(payload)).seq)
    waiting.push(answer)
    most = Math.max(most, waiting.length)
    return Deferred.await(answer)
  }
  const layer = Layer.merge(CommitChain.layer, InputLog.layer).pipe(
    Layer.provide(
      Layer.succeed(
        Connection,
        Connection.of({
          client: {} as NatsConnection,
          newInbox: () => "inbox",
          inRole: () => Effect.never,
          request: (asking) => Effect.suspend(() => request(asking)),
          requestAll: () => Effect.never,
          isConnected: () => true,
          isClustered: () => true,
          hasMajority: () => true,
          noteStored: () => undefined,
          areLeadersCurrent,
          onReconnect: () => Effect.void
        })
      )
    )
  )
  /** Answers the oldest read that waits. */
  const answer = Effect.suspend(() => {
    const oldest = waiting.shift()
    const sequence = asked[asked.length - 1 - waiting.length] ?? 0
    if (oldest !== undefined) Deferred.doneUnsafe(oldest, Effect.succeed(stored(sequence)))
    return settle
  })
  /** Answers the oldest read that waits with the answer that no message was found. */
  const answerNone = Effect.suspend(() => {
    const none = { json: () => ({ error: { code: 404, err_code: 10_037, description: "no message found" } }) }
    const oldest = waiting.shift()
    if (oldest !== undefined) Deferred.doneUnsafe(oldest, Effect.succeed(none as unknown as Msg))
    return settle
  })
  return { layer, asked, waiting, answer, answerNone, most: () => most }
}

describe("the reads of a chain", () => {
  it.effect("the reads of a chain in flight are bounded, however many records are asked for at once", () =>
    Effect.gen(function* () {
      const broker = makeBroker()
      const wanted = Array.from({ length: 3 * chainReadsMax }, (_, index) => index + 1)
      yield* Effect.gen(function* () {
        const chain = yield* CommitChain
        const reading = yield* Effect.forkChild(Effect.forEach(wanted, chain.at, { concurrency: "unbounded" }))
        yield* settle
        expect(broker.waiting).toHaveLength(chainReadsMax)
        for (const _ of wanted) yield* broker.answer
        const records = yield* Fiber.join(reading)
        expect(records.map((record) => record?.text)).toEqual(wanted.map((sequence) => `record ${sequence}`))
      }).pipe(Effect.provide(broker.layer))
      expect(broker.most()).toBe(chainReadsMax)
    })
  )

  it.effect("all readers of a record share one read, which goes on if the first reader is interrupted", () =>
    Effect.gen(function* () {
      const broker = makeBroker()
      yield* Effect.gen(function* () {
        const chain = yield* CommitChain
        const first = yield* Effect.forkChild(chain.at(7))
        yield* settle
        const others = yield* Effect.forkChild(Effect.all([chain.at(7), chain.at(7)], { concurrency: "unbounded" }))
        yield* settle
        expect(broker.asked).toEqual([7])
        yield* Fiber.interrupt(first)
        yield* broker.answer
        expect((yield* Fiber.join(others)).map((record) => record?.sequence)).toEqual([7, 7])
        // The result of an answered read is not kept.
        const again = yield* Effect.forkChild(chain.at(7))
        yield* settle
        expect(broker.asked).toEqual([7, 7])
        yield* broker.answer
        expect((yield* Fiber.join(again))?.sequence).toBe(7)
      }).pipe(Effect.provide(broker.layer))
    })
  )

  it.effect("a leader that may be cut off is not believed that the journal or the input log has nothing newer", () =>
    Effect.gen(function* () {
      const nextCommit = Effect.flatMap(CommitChain, (chain) => chain.next(0, 7))
      const newestInput = Effect.flatMap(InputLog, (input) => input.newestAfter(0, 7))
      for (const [asked, believed] of [
        [nextCommit, undefined],
        [newestInput, 7]
      ] as const) {
        for (const isCurrent of [true, false]) {
          const broker = makeBroker(() => isCurrent)
          const asking = Effect.forkChild(Effect.exit<unknown, unknown, CommitChain | InputLog>(asked))
          const exit = yield* Effect.gen(function* () {
            const answered = yield* asking
            yield* settle
            yield* broker.answerNone
            return yield* Fiber.join(answered)
          }).pipe(Effect.provide(broker.layer))
          if (isCurrent) expect(exit).toEqual(Exit.succeed(believed))
          else expect(Option.getOrThrow(Exit.findErrorOption(exit))).toMatchObject({ _tag: "BrokerUnavailable" })
        }
      }
    })
  )
})
