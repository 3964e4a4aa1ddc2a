import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { inputBytesMax, inputShares } from "../../src/partition/InputBudget.ts"

const half = 512 * 1024

describe("the shares of a worker's input", () => {
  it("the shares of all partitions, with oversized messages on top, stay within the bound on bytes in hand", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1_024, max: 4 * half }), (partitions, bytes) => {
        const { partitionBytes, messageBytes, oversizedAtOnce } = inputShares(partitions, bytes)
        expect(partitions * partitionBytes + oversizedAtOnce * messageBytes).toBeLessThanOrEqual(inputBytesMax)
        expect(partitionBytes).toBeGreaterThan(64 * 1024)
        expect(oversizedAtOnce).toBeGreaterThan(0)
      })
    )
  })

  it("the shares let 8 partitions each pull a message of the largest size at the same time", () => {
    const { partitionBytes, messageBytes } = inputShares(8, half)
    expect(partitionBytes).toBeGreaterThan(2 * messageBytes)
  })
})
