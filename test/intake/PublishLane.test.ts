import { describe, expect, it } from "vitest"
import type { EntryRequest } from "../../src/account/Entry.ts"
import type { Purchase } from "../../src/account/Purchase.ts"
import type { Reversal } from "../../src/account/Reversal.ts"
import { PublishCall } from "../../src/intake/PublishCall.ts"
import { PublishLane } from "../../src/intake/PublishLane.ts"

const purchase = (purchaseId: string): Purchase =>
  ({
    purchaseId,
    userId: "ann",
    productName: "Lamp",
    productType: "Office",
    valueCents: 1_250n,
    quantity: 2
  }) as Purchase
const reversal = (reversalId: string, members: Partial<Reversal> = {}): Reversal =>
  ({ reversalId, userId: "ann", purchaseId: "p1", reason: "broken", ...members }) as Reversal

/** Returns the message of a lane that has these requests. */
const messageOf = (...requests: ReadonlyArray<EntryRequest>) => {
  const lane = new PublishLane(0)
  const call = new PublishCall(requests, false, () => undefined)
  for (const [index, request] of requests.entries()) {
    lane.push({ userToken: "ann", request, call, index, notice: undefined })
  }
  return lane.takeGroup(100_000)
}

describe("a message of the input log", () => {
  it("a message with a reversal has the reversal among its purchases, in their order", () => {
    const { payload } = messageOf(purchase("p1"), reversal("r1", { quantity: 2 }), reversal("r2"))
    expect(JSON.parse(payload)).toEqual({
      version: 1,
      purchases: [
        { ...purchase("p1"), valueCents: 1_250 },
        { reversalId: "r1", userId: "ann", purchaseId: "p1", quantity: 2, reason: "broken" },
        { reversalId: "r2", userId: "ann", purchaseId: "p1", reason: "broken" }
      ]
    })
  })

  it("the same message of purchases has the same message id each time, so the broker drops the second copy", () => {
    for (const ids of [["p1"], ["p1", "p2"]]) {
      const [first, again] = [1, 2].map(() => messageOf(...ids.map(purchase)).messageId)
      expect(again).toBe(first)
    }
  })

  it("the same message with a reversal has a new message id each time, so a refused reversal is decided again", () => {
    for (const requests of [[reversal("p1")], [purchase("p1"), reversal("p1")]]) {
      const ids = Array.from({ length: 3 }, () => messageOf(...requests).messageId)
      expect(new Set([...ids, messageOf(purchase("p1")).messageId]).size).toBe(4)
    }
  })
})
