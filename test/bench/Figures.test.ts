import { describe, expect, it } from "vitest"
import { figuresOf } from "../../scripts/bench/Figures.ts"
import { latencyOf } from "../../scripts/bench/Latency.ts"

describe("figures of the benchmark", () => {
  it("a figure has a median, a least and a greatest value, and the processor time of each process", () => {
    const runs = [5, 1, 9, 3, 7].map((value) => ({
      name: "posts",
      unit: "purchases/s",
      value,
      spent: { worker: value * 2, broker: 1 }
    }))
    expect(figuresOf(runs)).toEqual([
      {
        name: "posts",
        unit: "purchases/s",
        median: 5,
        min: 1,
        max: 9,
        runs: 5,
        cpuMicrosecondsPerPurchase: { worker: 10, broker: 1 }
      }
    ])
  })

  it("the median of an even number of runs is the middle of the two middle runs", () => {
    const runs = [4, 1, 2, 100].map((value) => ({ name: "start", unit: "s", value }))
    expect(figuresOf(runs)[0]).toMatchObject({ median: 3, cpuMicrosecondsPerPurchase: {} })
  })

  it("a latency has two figures: 50 % of the requests do not exceed the first, and 99 % the second", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect(latencyOf(hundred)).toEqual({ p50: 50, p99: 99, max: 100 })
    expect(latencyOf([3, 1, 2])).toEqual({ p50: 2, p99: 3, max: 3 })
  })
})
