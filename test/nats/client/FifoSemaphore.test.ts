import { Deferred, Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeFifoSemaphore } from "../../../src/nats/client/FifoSemaphore.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"

describe("A FIFO semaphore", () => {
  /** Starts effects that each end when the test calls `end`. */
  const beginAll = (most: number, count: number) => {
    const inTurn = makeFifoSemaphore(most)
    const begun: Array<number> = []
    const ends = Array.from({ length: count }, () => Deferred.makeUnsafe<void>())
    const fibers = ends.map((ended, index) =>
      Effect.runFork(
        inTurn(
          Effect.andThen(
            Effect.sync(() => void begun.push(index)),
            Deferred.await(ended)
          )
        )
      )
    )
    const end = (index: number) => Deferred.doneUnsafe(ends[index] as Deferred.Deferred<void>, Effect.void)
    return { begun, end, fibers }
  }
  const begunAre = ({ begun }: ReturnType<typeof beginAll>, expected: ReadonlyArray<number>) =>
    until(`begun are ${expected.join()}`, () => begun.join() === expected.join())

  it("a bounded number of effects runs at once, and further effects run in the order in which they came", async () => {
    const turns = beginAll(2, 5)
    await begunAre(turns, [0, 1])
    turns.end(1)
    await begunAre(turns, [0, 1, 2])
    turns.end(0)
    turns.end(2)
    await begunAre(turns, [0, 1, 2, 3, 4])
    expect(turns.begun).toEqual([0, 1, 2, 3, 4])
  })

  it("effects that wait begin together, when half of the permits are free", async () => {
    const turns = beginAll(4, 8)
    await begunAre(turns, [0, 1, 2, 3])
    turns.end(2)
    await Effect.runPromise(Fiber.join(turns.fibers[2] as Fiber.Fiber<void>))
    expect(turns.begun).toEqual([0, 1, 2, 3])
    turns.end(0)
    await begunAre(turns, [0, 1, 2, 3, 4, 5])
    turns.end(5)
    turns.end(4)
    await begunAre(turns, [0, 1, 2, 3, 4, 5, 6, 7])
  })

  it("no permit is lost when effects that run or wait are interrupted", async () => {
    const turns = beginAll(1, 4)
    await begunAre(turns, [0])
    turns.fibers[1]?.interruptUnsafe()
    turns.fibers[0]?.interruptUnsafe()
    await begunAre(turns, [0, 2])
    turns.end(2)
    await begunAre(turns, [0, 2, 3])
    turns.end(3)
    await Promise.all([2, 3].map((index) => Effect.runPromise(Fiber.join(turns.fibers[index] as Fiber.Fiber<void>))))
  })
})
