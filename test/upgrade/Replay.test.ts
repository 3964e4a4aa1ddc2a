import { describe, expect, it } from "vitest"
import { passesOf } from "../../scripts/upgrade/Replay.ts"

describe("the passes over the former layout", () => {
  it("the former layout is read in one pass if memory holds all accounts", () => {
    expect(passesOf(4, 1_000, 1_000)).toEqual([[0, 1, 2, 3]])
    expect(passesOf(3, 0, 1_000)).toEqual([[0, 1, 2]])
  })

  it("an upgrade has as many passes as its accounts need, and reads each partition in one of the passes", () => {
    expect(passesOf(8, 2_001, 1_000)).toEqual([
      [0, 3, 6],
      [1, 4, 7],
      [2, 5]
    ])
  })

  it("the number of passes is at most the number of partitions", () => {
    expect(passesOf(2, 1_000_000, 1)).toEqual([[0], [1]])
  })
})
