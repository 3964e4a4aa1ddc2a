import { describe, expect, it } from "vitest"
import { PullDemand } from "../../src/nats/PullDemand.ts"

describe("PullDemand", () => {
  it("a delivery counts against the oldest pull request, which ends when all of its messages have come", () => {
    const demand = new PullDemand()
    demand.add(2, 1_000)
    demand.add(10, 5_000)
    demand.delivered(300)
    expect({ size: demand.size, ...demand.outstanding() }).toEqual({ size: 2, messages: 11, bytes: 5_700 })
    demand.delivered(300)
    expect({ size: demand.size, ...demand.outstanding() }).toEqual({ size: 1, messages: 10, bytes: 5_000 })
  })

  it("a pull request that the broker has ended has no outstanding messages or bytes", () => {
    const demand = new PullDemand()
    const id = demand.add(10, 5_000)
    demand.end(id)
    demand.end(id)
    expect({ size: demand.size, ...demand.outstanding() }).toEqual({ size: 0, messages: 0, bytes: 0 })
  })

  it("the number of outstanding bytes is never below 0", () => {
    const demand = new PullDemand()
    demand.add(2, 100)
    demand.delivered(300)
    expect(demand.outstanding()).toEqual({ messages: 1, bytes: 0 })
  })
})
