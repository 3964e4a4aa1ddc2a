import { it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Msg } from "nats"
import { describe, expect } from "vitest"
import type { BrokerConnection } from "../../src/nats/client/Connection.ts"
import { makeFollowedStream } from "../../src/nats/FollowedStream.ts"

/**
 * Asks for the last sequence of a stream as a reader who has read the message at 12. The leader answers each second with
 * the next of `ends`, and then with the last of them.
 */
const askedFrom12 = (isClustered: boolean, ends: ReadonlyArray<number>) => {
  let asked = 0
  const request = () =>
    Effect.sync(() => {
      const last_seq = ends[Math.min(asked, ends.length - 1)]
      asked += 1
      return { json: () => ({ state: { last_seq } }) } as unknown as Msg
    })
  const connection = { request, hasMajority: () => true, isClustered: () => isClustered } as unknown as BrokerConnection
  const followed = { stream: "s", filter: ">", name: "the stream", messagesOf: () => [] }
  return Effect.forkChild(makeFollowedStream(connection, followed).lastSequenceFrom(12), { startImmediately: true })
}

describe("the last sequence of a stream, for a reader that has read a later message", () => {
  it.effect("an edge of a cluster asks again, because a former leader that is cut off lacks newer messages", () =>
    Effect.gen(function* () {
      const asked = yield* askedFrom12(true, [5, 5, 12])
      yield* TestClock.adjust("1 second")
      expect(asked.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(asked)).toBe(12)
    })
  )

  it.effect("an edge believes an earlier end that a former leader cannot give any more, or that one broker gives", () =>
    Effect.gen(function* () {
      const clustered = yield* askedFrom12(true, [5])
      yield* TestClock.adjust("24 seconds")
      expect(clustered.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(clustered)).toBe(5)
      expect(yield* Fiber.join(yield* askedFrom12(false, [5, 12]))).toBe(5)
    })
  )
})
