import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { CatchUpTurns } from "../../src/feed/CatchUpTurns.ts"

describe("the turns of readers that catch up", () => {
  it("after some work all readers rest for as long as the work took", async () => {
    let now = 0
    const turns = new CatchUpTurns(() => now)
    const done: Array<string> = []
    const work = (name: string, milliseconds: number) =>
      turns.take(() => {
        now += milliseconds
        done.push(name)
      })
    await Effect.gen(function* () {
      yield* work("a first short piece", 3)
      const long = yield* Effect.forkChild(work("a long piece", 7))
      const other = yield* Effect.forkChild(work("the piece of another reader", 1))
      yield* TestClock.adjust(9)
      expect(done).toEqual(["a first short piece", "a long piece"])
      yield* TestClock.adjust(1)
      yield* Fiber.join(long)
      yield* Fiber.join(other)
      expect(done).toEqual(["a first short piece", "a long piece", "the piece of another reader"])
    }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise)
  })
})
