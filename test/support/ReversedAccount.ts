import type { AppliedPurchase, AppliedReversal } from "../../src/account/Revision.ts"
import type { LineByHand } from "./CommitByHand.ts"

/** The days on which the broker stored the entries of the account. */
export const boughtAt = Date.parse("2026-05-01T10:00:00Z")
export const reversedAt = Date.parse("2026-05-02T10:00:00Z")

const lamp = (purchaseId: string, valueCents: bigint, quantity: number, storedAt: number): AppliedPurchase => ({
  purchaseId,
  productName: "Lamp",
  productType: "Office",
  valueCents,
  quantity,
  inputSequence: 1,
  inputIndex: 0,
  storedAt
})

const reversalOf = (
  purchase: AppliedPurchase,
  quantity: number,
  reversal: AppliedReversal,
  inputIndex: number
): AppliedPurchase => ({ ...purchase, quantity, inputSequence: 2, inputIndex, storedAt: reversedAt, reversal })

const [p1, p2] = [lamp("p1", 2_345n, 3, boughtAt), lamp("p2", 1_000n, 1, boughtAt)]
const p3 = lamp("p3", 100n, 1, reversedAt)
const counts = { repeats: 1, conflicts: 0 }

/**
 * Returns the lines of an account with reversals, of which each stands in a commit of its own. The first line has the
 * purchases p1 (3 × 23.45) and p2 (1 × 10.00). The second line reverses 1 piece of p1. The third line has the purchase
 * p3 (1 × 1.00), reverses the 2 pieces of p1 that are left, and counts a repeat of the first reversal. `firstReversal`
 * is the sequence of the second commit.
 */
export const reversedAccount = (userId: string): ReadonlyArray<(before: ReadonlyArray<number>) => LineByHand> => {
  const line =
    (purchases: ReadonlyArray<AppliedPurchase>, total: bigint, count: number, reversals: number, unsealed: number) =>
    (before: ReadonlyArray<number>): LineByHand => ({
      userId,
      revision: {
        total,
        count,
        reversals,
        decidedThrough: 0,
        purchases,
        repeats: new Map(unsealed === 3 ? [["\u0001r1", counts]] : []),
        previous: before.toReversed(),
        unsealed,
        segment: 0
      }
    })
  const first = { reversalId: "r1", reason: "broken", asked: 1, previous: 0 }
  return [
    line([p1, p2], 8_035n, 2, 0, 1),
    line([reversalOf(p1, 1, first, 0)], 5_690n, 3, 1, 2),
    (before) => {
      const second = { reversalId: "r2", reason: "never arrived", asked: 0, previous: before[1] ?? 0 }
      return line([p3, reversalOf(p1, 2, second, 1)], 1_100n, 5, 2, 3)(before)
    }
  ]
}
