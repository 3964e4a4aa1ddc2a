import { describe, expect, it } from "vitest"
import { begunMax, RequestTurns } from "../../../src/edge/server/RequestTurns.ts"

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Takes a number of requests of a caller at once, and lists the callers of the requests that begin. */
const takeMany = (turns: RequestTurns, begun: Array<string>, caller: string, count: number): void => {
  for (let number = 0; number < count; number += 1) {
    turns.take(
      () => caller,
      () => void begun.push(caller)
    )
  }
}

describe("the turns of requests", () => {
  it("a request begins at once while few requests come", () => {
    const begun: Array<string> = []
    takeMany(new RequestTurns(), begun, "ann", begunMax)
    expect(begun).toHaveLength(begunMax)
  })

  it("of many requests that come at once, only a few begin in one turn of the event loop", async () => {
    const begun: Array<string> = []
    takeMany(new RequestTurns(), begun, "ann", 2 * begunMax + 1)
    const counts = [begun.length]
    for (let turn = 0; turn < 3; turn += 1) {
      await nextTurn()
      counts.push(begun.length)
    }
    expect(counts).toEqual([begunMax, 2 * begunMax, 2 * begunMax + 1, 2 * begunMax + 1])
  })

  it("a request of another caller does not wait behind all requests of a caller with many", async () => {
    const begun: Array<string> = []
    const turns = new RequestTurns()
    takeMany(turns, begun, "greedy", 100 * begunMax)
    takeMany(turns, begun, "honest", 1)
    await nextTurn()
    expect(begun.filter((caller) => caller === "honest")).toHaveLength(1)
    expect(begun).toHaveLength(2 * begunMax)
  })

  it("the requests of one caller begin in the order in which they came", async () => {
    const begun: Array<number> = []
    const turns = new RequestTurns()
    const numbers = Array.from({ length: 3 * begunMax }, (_, number) => number)
    for (const number of numbers) {
      turns.take(
        () => "ann",
        () => void begun.push(number)
      )
    }
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
    expect(begun).toEqual(numbers)
  })
})
