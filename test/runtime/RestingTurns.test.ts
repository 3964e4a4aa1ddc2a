import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { RestingTurns } from "../../src/runtime/RestingTurns.ts"

describe("turns of large pieces of work", () => {
  it("after some work the next piece waits for as long as the work took", async () => {
    let now = 0
    const turns = new RestingTurns(() => now)
    const done: Array<string> = []
    const work = (name: string, milliseconds: number) =>
      turns.take(() => {
        now += milliseconds
        done.push(name)
      })
    await Effect.gen(function* () {
      yield* work("a first short piece", 3)
      const long = yield* Effect.forkChild(work("a long piece", 7))
      const other = yield* Effect.forkChild(work("another piece", 1))
      yield* TestClock.adjust(9)
      expect(done).toEqual(["a first short piece", "a long piece"])
      yield* TestClock.adjust(1)
      yield* Fiber.join(long)
      yield* Fiber.join(other)
      expect(done).toEqual(["a first short piece", "a long piece", "another piece"])
    }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise)
  })
})
