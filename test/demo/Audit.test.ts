import { describe, expect, it } from "vitest"
import { addedUp } from "../../scripts/demo/Audit.ts"
import type { HistoryEntry } from "../../src/client/Answers.ts"

const entry = (members: Partial<HistoryEntry>): HistoryEntry => ({
  purchaseId: "p1",
  userId: "ann",
  productName: "Lamp",
  productType: "Office",
  value: "0.10",
  quantity: 3,
  total: "0.30",
  number: 1,
  runningTotal: "0.30",
  storedAt: "2026-01-31T12:00:00.000Z",
  ...members
})
const second = (members: Partial<HistoryEntry> = {}) =>
  entry({ purchaseId: "p2", number: 2, runningTotal: "0.60", ...members })

describe("a history", () => {
  it("the purchases of a history are added up exactly, in cents", () => {
    expect(addedUp([entry({}), second()])).toBe(60n)
    expect(addedUp([])).toBe(0n)
  })

  it.each([
    ["a number left out", second({ number: 3 }), "purchase 2 is numbered 3"],
    ["a wrong total", second({ total: "0.31" }), "0.10 times 3 is 0.31"],
    ["a wrong running total", second({ runningTotal: "0.90" }), "0.60 up to purchase 2 is 0.90"],
    ["one id twice", second({ purchaseId: "p1" }), "2 purchases have 1 ids"]
  ])("a history with %s is found to be inconsistent", (_what, wrong, said) => {
    expect(() => addedUp([entry({}), wrong])).toThrow(`the history does not fit together: ${said}`)
  })
})
