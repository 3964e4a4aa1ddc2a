import { describe, expect, it } from "vitest"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"

/** A purchase as a caller without types may write it. */
const numbered = (value: unknown) =>
  ({ userId: "ann", productName: "Lamp", productType: "Office", value, quantity: 1 }) as NewPurchase

describe("a purchase whose value is neither a string nor a bigint", () => {
  it("a value that is neither a string nor a bigint causes a TypeError that says how to write a value", async () => {
    const client = new PurchaseClient({
      url: "http://ledger",
      fetch: () => expect.unreachable("something is sent")
    })
    for (const value of [12.5, 12, undefined, null]) {
      const problem = new TypeError(
        `${value} is no amount: write a string like "12.50", or a bigint of cents like 1250n`
      )
      await expect(client.post(numbered(value))).rejects.toThrow(problem)
      await expect(client.postAll([numbered(value)]).next()).rejects.toThrow(problem)
      await expect(client.replayRejected({ inputSequence: 7, index: 0 }, numbered(value))).rejects.toThrow(problem)
    }
  })
})
