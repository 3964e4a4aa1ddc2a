import { array, assert, bigInt, constantFrom, nat, oneof, property, record, tuple } from "fast-check"
import { describe, expect, it } from "vitest"
import {
  decodeNoticeAddress,
  decodeNotices,
  encodeNoticeAddress,
  encodeNotices,
  noticesMax,
  noticesOf
} from "../../src/protocol/AppliedNotice.ts"
import { refusalReasons } from "../../src/account/Reversal.ts"
import type { AppliedPurchase } from "../../src/account/Revision.ts"

const applied = (inputSequence: number, inputIndex: number, valueCents: bigint): AppliedPurchase => ({
  purchaseId: `p${inputSequence}.${inputIndex}`,
  productName: "Lamp",
  productType: "Office",
  valueCents,
  quantity: 2,
  inputSequence,
  inputIndex,
  storedAt: 0
})

describe("the notices of a payload", () => {
  it("notices are read as they were written, with totals of any size", () => {
    const applied = record({ message: nat(), index: nat(499), totalAfter: bigInt({ min: 0n, max: 10n ** 40n }) })
    const refused = tuple(applied, constantFrom(...refusalReasons)).map(([rest, refusal]) => ({ ...rest, refusal }))
    const notice = oneof(applied, refused)
    assert(
      property(array(notice), (notices) => {
        expect(decodeNotices(encodeNotices(notices))).toEqual(notices)
      })
    )
  })

  it.each(["", "no JSON", "{}", '[["1",0,"5"]]', '[[1,0,"5","late"]]', "[[1,0,5]]", '[[1,0,"1.5"]]', "[[1,0]]"])(
    "a payload of notices that is %j gives an empty list",
    (payload) => {
      expect(decodeNotices(payload)).toEqual([])
    }
  )

  it("the notice of an applied purchase has three elements, and the notice of a refused reversal has four", () => {
    const applied = { message: 4, index: 0, totalAfter: 250n }
    const notices = [applied, { ...applied, index: 1, refusal: "nothing-left" as const }]
    expect(encodeNotices(notices)).toBe('[[4,0,"250"],[4,1,"250","nothing-left"]]')
  })

  it("a payload with more notices than a worker sends gives an empty list", () => {
    const notices = Array.from({ length: noticesMax + 1 }, (_, message) => ({ message, index: 0, totalAfter: 1n }))
    expect(decodeNotices(encodeNotices(notices))).toEqual([])
    expect(decodeNotices(encodeNotices(notices.slice(1)))).toHaveLength(noticesMax)
  })
})

describe("the address of notices", () => {
  it("the address of a notice is read as it was written", () => {
    const address = { edge: "DZ3RYAKCJ5FL", message: 1_234 }
    expect(decodeNoticeAddress(encodeNoticeAddress(address))).toEqual(address)
  })

  // Anyone may publish a purchase. The text of a purchase must not lead a worker to another subject.
  it.each(["", "e", "e.", ".1", "e.0", "e.x", "a.b.1", "*.1", ">.1", "$JS.API.1", "e .1", `${"e".repeat(33)}.1`])(
    "the address of a notice that is %j gives undefined",
    (text) => {
      expect(decodeNoticeAddress(text)).toBeUndefined()
    }
  )
})

describe("noticesOf", () => {
  it("the total after an entry is the newest total without the later purchases and reversals", () => {
    const taken = { reversalId: "r1", reason: "Broken", asked: 0, previous: 0 }
    const purchases = [applied(7, 0, 100n), { ...applied(7, 1, 100n), reversal: taken }, applied(7, 2, 1n)]
    const notices = noticesOf({ total: 1_002n, purchases }, new Map([[7, { edge: "one", message: 1 }]]))
    expect(notices.map(({ notice }) => notice.totalAfter)).toEqual([1_002n, 1_000n, 1_200n])
  })

  it("a notice has the total after its purchase, and goes only to the edge whose address the message carries", () => {
    const purchases = [applied(7, 0, 100n), applied(8, 0, 10n), applied(9, 3, 1n)]
    const one = { edge: "one", message: 1 }
    const two = { edge: "two", message: 5 }
    const notices = noticesOf(
      { total: 1_222n, purchases },
      new Map([
        [7, one],
        [9, two]
      ])
    )
    expect(notices).toEqual([
      { edge: "two", notice: { message: 5, index: 3, totalAfter: 1_222n } },
      { edge: "one", notice: { message: 1, index: 0, totalAfter: 1_200n } }
    ])
  })
})
