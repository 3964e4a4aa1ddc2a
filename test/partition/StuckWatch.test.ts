import { it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { makeDispatched } from "../../src/partition/Dispatched.ts"
import { InHand } from "../../src/partition/InHand.ts"
import { untilStuck } from "../../src/partition/StuckWatch.ts"

/** An epoch that is watched for some seconds: of each second, for how long the broker was not heard at its end. */
const watch = Effect.fnUntraced(function* (silences: ReadonlyArray<number>, awaited?: number) {
  const dispatched = makeDispatched(0)
  if (awaited !== undefined) yield* Effect.forkChild(dispatched.wait(awaited), { startImmediately: true })
  let silence = 0
  const found = yield* Effect.forkChild(untilStuck({ silence: () => silence, dispatched, inHand: new InHand() }), {
    startImmediately: true
  })
  for (const next of silences) {
    silence = next
    yield* TestClock.adjust(1_000)
  }
  const exit = found.pollUnsafe()
  yield* Fiber.interrupt(found)
  return exit === undefined ? undefined : exit._tag === "Success" ? exit.value : "failed"
})

describe("An epoch is stuck", () => {
  it.effect("when the broker is not heard for three seconds, and one more", () =>
    Effect.gen(function* () {
      expect(yield* watch([1_000, 2_000, 3_000, 4_000])).toBeUndefined()
      expect(yield* watch([1_000, 2_000, 3_000, 4_000, 5_000])).toBe("the broker was not heard for 3000 ms")
    })
  )

  it.effect("and not when it was this process that stood still, and hears the broker again", () =>
    Effect.gen(function* () {
      expect(yield* watch([0, 6_000, 10, 0, 6_000, 20, 0, 0])).toBeUndefined()
    })
  )

  it.effect("when a sequence that a query waits for does not come while nothing else does", () =>
    Effect.gen(function* () {
      expect(yield* watch([0, 0, 0], 7)).toBeUndefined()
      expect(yield* watch([0, 0, 0, 0], 7)).toBe("a sequence that a query waits for did not come")
      expect(yield* watch([0, 0, 0, 0, 0])).toBeUndefined()
    })
  )
})
