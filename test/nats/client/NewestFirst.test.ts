import { Effect } from "effect"
import { assert, integer, property, uniqueArray } from "fast-check"
import { describe, expect, it } from "vitest"
import { newestFirst } from "../../../src/nats/client/NewestFirst.ts"

const visitedOf = (stored: ReadonlyArray<number>, low: number, high: number, limit: number) => {
  const rising = stored.toSorted((one, other) => one - other)
  const visited: Array<number> = []
  let looks = 0
  const firstFrom = (sequence: number) =>
    Effect.sync(() => {
      looks += 1
      const found = rising.find((one) => one >= sequence)
      return found === undefined ? undefined : { sequence: found }
    })
  Effect.runSync(
    newestFirst(firstFrom, low, high, ({ sequence }) => (visited.push(sequence) === limit ? "enough" : "more"))
  )
  return { visited, looks }
}

describe("newest first", () => {
  it("a search from the newest message visits each message of the range, and stops at its limit", () => {
    assert(
      property(
        uniqueArray(integer({ min: 1, max: 3_000 }), { maxLength: 60 }),
        integer({ min: 1, max: 3_000 }),
        integer({ min: 0, max: 3_000 }),
        integer({ min: 1, max: 70 }),
        (stored, low, length, limit) => {
          const { visited } = visitedOf(stored, low, low + length, limit)
          const inRange = stored.filter((one) => one >= low && one < low + length)
          expect(visited).toEqual(inRange.toSorted((one, other) => other - one).slice(0, limit))
        }
      ),
      { numRuns: 1_000 }
    )
  })

  it("a search takes at most 2 log2(range) reads for each found message, however far apart the messages are", () => {
    assert(
      property(uniqueArray(integer({ min: 1, max: 1e12 }), { minLength: 1, maxLength: 40 }), (stored) => {
        const { visited, looks } = visitedOf(stored, 1, 1e12 + 1, 20)
        expect(looks).toBeLessThanOrEqual(2 * 41 * visited.length)
      })
    )
  })
})
