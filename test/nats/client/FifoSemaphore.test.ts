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

  it("an effect that waits begins although slow effects hold more than half of the permits", async () => {
    const turns = beginAll(4, 6)
    await begunAre(turns, [0, 1, 2, 3])
    turns.end(0)
    await begunAre(turns, [0, 1, 2, 3, 4])
    turns.end(4)
    await begunAre(turns, [0, 1, 2, 3, 4, 5])
  })

  it.each([1, 2, 3, 32])("thousands of waiting effects that end at once leave all of %i permits free", async (most) => {
    const inTurn = makeFifoSemaphore(most)
    const held = Deferred.makeUnsafe<void>()
    const holding = Array.from({ length: most }, () => Effect.runFork(inTurn(Deferred.await(held))))
    let ended = 0
    const waiting = Array.from({ length: 10_000 }, () => Effect.runFork(inTurn(Effect.sync(() => void (ended += 1)))))
    const interrupted = Array.from({ length: 10_000 }, () => Effect.runFork(inTurn(Effect.void)))
    for (const fiber of interrupted) fiber.interruptUnsafe()
    Deferred.doneUnsafe(held, Effect.void)
    await Promise.all([...holding, ...waiting].map((fiber) => Effect.runPromise(Fiber.join(fiber))))
    await Promise.all(interrupted.map((fiber) => Effect.runPromise(Fiber.await(fiber))))
    expect(ended).toBe(10_000)
    let running = 0
    const all = Array.from({ length: most + 1 }, () =>
      Effect.runFork(
        inTurn(
          Effect.andThen(
            Effect.sync(() => void (running += 1)),
            Effect.never
          )
        )
      )
    )
    expect(running).toBe(most)
    for (const fiber of all) fiber.interruptUnsafe()
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
