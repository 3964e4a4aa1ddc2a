import { describe, expect, it } from "vitest"
import type { PurchaseId, ReversalId, UserId } from "../../src/account/Identifier.ts"
import type { Reversal } from "../../src/account/Reversal.ts"
import type { AppliedPurchase } from "../../src/account/Revision.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { encodeReversalText } from "../../src/protocol/PurchaseMessage.ts"
import type { Rejection } from "../../src/protocol/Rejection.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { commitSubject } from "../../src/protocol/Subject.ts"
import {
  ledgerReversalProblems,
  recordedReversal,
  recordProblems,
  reversalProblems
} from "../../src/harness/ReversalCheck.ts"

const bought = (inputSequence: number, purchaseId: string, quantity: number): AppliedPurchase => ({
  purchaseId,
  productName: "Lamp",
  productType: "Furniture",
  valueCents: 100n,
  quantity,
  inputSequence,
  inputIndex: 0,
  storedAt: 0
})

/** Returns the entry of a reversal. `asked` is 0 for all pieces that were left. */
const takenBack = (
  inputSequence: number,
  { id, of, quantity, asked = quantity }: { id: string; of: string; quantity: number; asked?: number }
): AppliedPurchase => ({
  ...bought(inputSequence, of, quantity),
  reversal: { reversalId: id, reason: "Returned", asked, previous: 0 }
})

/** Returns the rejected record of message 9 with a reversal of purchase `p`. */
const recordAt9 = (different: Partial<Reversal> = {}): Rejection => {
  const reversal: Reversal = {
    reversalId: "r9" as ReversalId,
    userId: "ann" as UserId,
    purchaseId: "p" as PurchaseId,
    reason: "Returned",
    ...different
  }
  const payload = encodeReversalText(reversal)
  return { inputSequence: 9, index: 0, reason: "refused", payload, encoding: "text" }
}

const recordedAt9 = (different: Partial<Reversal> = {}) =>
  recordedReversal(recordAt9(different)) ?? expect.unreachable("the record is of a reversal")

/** Returns a journal of one commit, which has one revision of ann with all entries. */
const journalOf = (purchases: ReadonlyArray<AppliedPurchase>) => {
  const counts = { total: 0n, count: purchases.length, reversals: 1, decidedThrough: 9, unsealed: 1, segment: 0 }
  const line = encodeRevision("ann", { ...counts, purchases, repeats: new Map(), previous: [] })
  const text = encodeCommit({ kind: "commit", epoch: 1, worker: "w", position: 9 }, [line])
  return [{ subject: commitSubject(0), text }]
}

const p = bought(1, "p", 3)

describe("The check of reversals in a history", () => {
  it.each([
    [
      "a part of a purchase, and then the rest",
      [p, takenBack(2, { id: "r", of: "p", quantity: 1 }), takenBack(3, { id: "s", of: "p", quantity: 2, asked: 0 })]
    ],
    ["a purchase of the same message", [p, takenBack(1, { id: "r", of: "p", quantity: 3, asked: 0 })]]
  ])("the check finds nothing if reversals take back %s", (_name, history) => {
    expect(reversalProblems("ann", history)).toEqual([])
  })

  it.each([
    [
      "more pieces than are left",
      "I4 disagreeing",
      [p, takenBack(2, { id: "r", of: "p", quantity: 2 }), takenBack(3, { id: "s", of: "p", quantity: 2 })]
    ],
    [
      "fewer pieces than all that are left",
      "I4 disagreeing",
      [p, takenBack(2, { id: "r", of: "p", quantity: 1, asked: 0 })]
    ],
    ["other pieces than it asks for", "I4 disagreeing", [p, takenBack(2, { id: "r", of: "p", quantity: 1, asked: 2 })]],
    [
      "a purchase at another price",
      "I4 disagreeing",
      [p, { ...takenBack(2, { id: "r", of: "p", quantity: 1 }), valueCents: 99n }]
    ],
    ["a purchase that comes later", "I3 phantom", [takenBack(1, { id: "r", of: "p", quantity: 1 }), bought(2, "p", 3)]]
  ])("if a reversal takes back %s, the check reports %s", (_name, found, history) => {
    expect(reversalProblems("ann", history)).toEqual([expect.stringMatching(`^${found}: `)])
  })
})

describe("The check of all reversals of a ledger", () => {
  it("the check reads all histories from the commits, and compares the rejected records with the histories", () => {
    const twice = [p, takenBack(2, { id: "r", of: "p", quantity: 2 }), takenBack(3, { id: "s", of: "p", quantity: 2 })]
    expect(ledgerReversalProblems(journalOf(twice), [])).toEqual([expect.stringMatching("^I4 disagreeing: ann/")])
    expect(ledgerReversalProblems(journalOf([p]), [recordAt9()])).toEqual([expect.stringMatching("^I1 lost: ann/")])
    expect(ledgerReversalProblems(journalOf([p]), [recordAt9({ quantity: 4 })])).toEqual([])
  })
})

describe("The check of rejected records of reversals", () => {
  it.each([
    ["its purchase was never applied", [bought(1, "q", 3)], {}],
    ["its purchase was applied later", [bought(10, "p", 3)], {}],
    ["all pieces were taken back before", [p, takenBack(2, { id: "r", of: "p", quantity: 3 })], {}],
    ["fewer pieces were left than it asks for", [p, takenBack(2, { id: "r", of: "p", quantity: 2 })], { quantity: 2 }],
    [
      "the same id was applied later",
      [bought(10, "p", 3), takenBack(11, { id: "r9", of: "p", quantity: 3, asked: 0 })],
      {}
    ],
    [
      "its id was applied before for another reason",
      [p, takenBack(2, { id: "r9", of: "p", quantity: 3, asked: 0 })],
      { reason: "Broken" }
    ]
  ])("the record of a reversal is right if %s", (_name, history, different) => {
    expect(recordProblems("ann", history, recordedAt9(different))).toEqual([])
  })

  it.each([
    [
      "enough pieces were left at its place in the log",
      "I1 lost",
      [p, takenBack(2, { id: "r", of: "p", quantity: 1 }), takenBack(10, { id: "s", of: "p", quantity: 2 })],
      { quantity: 2 }
    ],
    [
      "it is applied at the same place",
      "I2 doubled",
      [p, takenBack(9, { id: "r9", of: "p", quantity: 3, asked: 0 })],
      {}
    ],
    [
      "it is a repeat with the same content",
      "I2 doubled",
      [p, takenBack(2, { id: "r9", of: "p", quantity: 3, asked: 0 })],
      {}
    ]
  ])("if a reversal has a record although %s, the check reports %s", (_name, found, history, different) => {
    expect(recordProblems("ann", history, recordedAt9(different))).toEqual([expect.stringMatching(`^${found}: `)])
  })
})
