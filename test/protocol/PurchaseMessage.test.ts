import { array, assert, integer, oneof, option, property, record, string, tuple, uint8Array } from "fast-check"
import { describe, expect, it } from "vitest"
import {
  productTextProblem,
  type PurchaseId,
  purchaseIdProblem,
  reasonTextProblem,
  type ReversalId,
  type UserId,
  userIdProblem
} from "../../src/account/Identifier.ts"
import { contentFingerprint, type Purchase, sameContent } from "../../src/account/Purchase.ts"
import type { Reversal } from "../../src/account/Reversal.ts"
import {
  decodePurchases,
  encodePurchases,
  encodePurchaseText,
  encodeReversalText,
  messagePurchasesMax
} from "../../src/protocol/PurchaseMessage.ts"

const text = (problem: (text: string) => string | undefined) =>
  string({ unit: "grapheme", minLength: 1, maxLength: 64 })
    .map((raw) => raw.normalize("NFC"))
    .filter((raw) => problem(raw) === undefined)

const purchases = record({
  purchaseId: text(purchaseIdProblem).map((id) => id as PurchaseId),
  userId: text(userIdProblem).map((id) => id as UserId),
  productName: text(productTextProblem),
  productType: text(productTextProblem),
  valueCents: integer({ min: 1, max: 100_000_000 }).map(BigInt),
  quantity: integer({ min: 1, max: 10_000 })
})

const reversals = tuple(
  record({
    reversalId: text(purchaseIdProblem).map((id) => id as ReversalId),
    userId: text(userIdProblem).map((id) => id as UserId),
    purchaseId: text(purchaseIdProblem).map((id) => id as PurchaseId),
    reason: text(reasonTextProblem)
  }),
  option(integer({ min: 1, max: 100_000 }), { nil: undefined })
).map(([rest, quantity]): Reversal => (quantity === undefined ? rest : { ...rest, quantity }))

const lamp: Purchase = {
  purchaseId: "p1" as PurchaseId,
  userId: "ann" as UserId,
  productName: "Lamp",
  productType: "Office",
  valueCents: 1_250n,
  quantity: 2
}
const lampText =
  '{"purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","valueCents":1250,"quantity":2}'
const reversalText = '{"reversalId":"r1","userId":"ann","purchaseId":"p1","quantity":2,"reason":"Broken"}'
const bytes = (written: string) => new TextEncoder().encode(written)
const message = (...candidates: ReadonlyArray<string>) => bytes(encodePurchases(candidates))

describe("a message of the input log", () => {
  it("a message of purchases is encoded as JSON with its version and its purchases", () => {
    expect(encodePurchases([encodePurchaseText(lamp), encodePurchaseText(lamp)])).toBe(
      `{"version":1,"purchases":[${lampText},${lampText}]}`
    )
  })

  it("purchases are read back from a message as they were written, each with its index", () => {
    assert(
      property(array(purchases, { minLength: 1, maxLength: 20 }), (all) => {
        expect(decodePurchases(message(...all.map(encodePurchaseText)))).toEqual({
          purchases: all.map((purchase, index) => ({ index, purchase })),
          unreadable: []
        })
      })
    )
  })

  it("purchases and reversals are read back from a message as they were written, in their order", () => {
    const either = oneof(
      purchases.map((purchase) => ({ purchase, written: encodePurchaseText(purchase) })),
      reversals.map((reversal) => ({ reversal, written: encodeReversalText(reversal) }))
    )
    assert(
      property(array(either, { minLength: 1, maxLength: 20 }), (all) => {
        expect(decodePurchases(message(...all.map(({ written }) => written)))).toEqual({
          purchases: all.map(({ written: _written, ...request }, index) => ({ index, ...request })),
          unreadable: []
        })
      })
    )
  })

  it("a reversal is encoded as JSON with its quantity, and without the member if it has no quantity", () => {
    const reversal = { reversalId: "r1", userId: "ann", purchaseId: "p1", quantity: 2, reason: "Broken" } as Reversal
    const { quantity: _quantity, ...whole } = reversal
    expect(encodeReversalText(reversal)).toBe(reversalText)
    expect(encodeReversalText(whole)).toBe(reversalText.replace(',"quantity":2', ""))
  })

  it("a message with more purchases than the bound is unreadable as a whole", () => {
    const all = Array.from({ length: messagePurchasesMax }, () => lampText)
    expect(decodePurchases(message(...all)).purchases).toHaveLength(messagePurchasesMax)
    const { purchases, unreadable } = decodePurchases(message(...all, lampText))
    expect(purchases).toEqual([])
    expect(unreadable).toHaveLength(1)
  })
})

describe("a message with parts that cannot be read", () => {
  it.each([
    ["is not UTF-8", Uint8Array.of(0xff), "the message is not UTF-8", "/w==", "base64"],
    ["is not JSON", bytes("{"), "the message is not JSON", "{", "text"],
    ["is empty", bytes(""), "the message is not JSON", "", "text"],
    ["has no version", bytes('{"purchases":[1]}'), expect.any(String), '{"purchases":[1]}', "text"],
    [
      "has another version",
      bytes(`{"version":2,"purchases":[${lampText}]}`),
      expect.any(String),
      `{"version":2,"purchases":[${lampText}]}`,
      "text"
    ],
    [
      "has no purchases",
      bytes('{"version":1,"purchases":[]}'),
      expect.any(String),
      '{"version":1,"purchases":[]}',
      "text"
    ],
    [
      "is control characters",
      bytes("\0".repeat(40)),
      "the message is not JSON",
      Buffer.alloc(40).toString("base64"),
      "base64"
    ]
  ])("a message that %s cannot be read, and is kept with its reason", (_what, payload, reason, kept, encoding) => {
    expect(decodePurchases(payload)).toEqual({
      purchases: [],
      unreadable: [{ index: 0, reason, payload: kept, encoding }]
    })
  })

  it.each([
    ["misses a field", lampText.replace(',"quantity":2', "")],
    ["has value 0", lampText.replace("1250", "0")],
    ["has a fraction of a cent", lampText.replace("1250", "12.5")],
    ["has a value above the bound", lampText.replace("1250", "100000001")],
    ["has a total above the bound", lampText.replace("1250", "100000000").replace(":2}", ":10001}")],
    ["has a quantity above the bound", lampText.replace(":2}", ":100001}")],
    ["has a text as quantity", lampText.replace(":2}", ':"2"}')],
    ["has a user id that is not NFC", lampText.replace("ann", "Rene\u0301")],
    ["has a user id with a control character", lampText.replace("ann", "a\\u0000")],
    ["has a user id with a blank at its end", lampText.replace("ann", "ann ")],
    ["has a purchase id with a blank at its end", lampText.replace("p1", "p1\u00a0")],
    ["has a blank product name", lampText.replace("Lamp", " ")],
    ["has an empty purchase id", lampText.replace("p1", "")],
    ["is null", "null"],
    ["is a text", '"lamp"']
  ])("a purchase that %s cannot be read, and is set apart from the others", (_what, bad) => {
    expect(decodePurchases(message(lampText, bad, lampText))).toEqual({
      purchases: [
        { index: 0, purchase: lamp },
        { index: 2, purchase: lamp }
      ],
      unreadable: [{ index: 1, reason: expect.any(String), payload: JSON.stringify(JSON.parse(bad)), encoding: "text" }]
    })
  })

  it.each([
    ["misses its purchase id", reversalText.replace(',"purchaseId":"p1"', "")],
    ["misses its reason", reversalText.replace(',"reason":"Broken"', "")],
    ["has a blank reason", reversalText.replace("Broken", " ")],
    ["has a reason of 201 characters", reversalText.replace("Broken", "x".repeat(201))],
    ["has a reason with a control character", reversalText.replace("Broken", "a\\u0000")],
    ["has quantity 0", reversalText.replace(":2,", ":0,")],
    ["has a quantity above the bound", reversalText.replace(":2,", ":100001,")],
    ["has null as its quantity", reversalText.replace(":2,", ":null,")],
    ["has an id that is not NFC", reversalText.replace("r1", "e\u0301")],
    ["has a slash in its id", reversalText.replace("r1", "r/1")],
    ["has a number as its id", reversalText.replace('"r1"', "1")]
  ])("a reversal that %s cannot be read, and is set apart from the others", (_what, bad) => {
    expect(decodePurchases(message(bad, lampText))).toEqual({
      purchases: [{ index: 1, purchase: lamp }],
      unreadable: [{ index: 0, reason: expect.any(String), payload: JSON.stringify(JSON.parse(bad)), encoding: "text" }]
    })
  })

  it("decoding a message never fails, and keeps every byte that cannot be read", () => {
    assert(
      property(uint8Array({ minLength: 1, maxLength: 200 }), (payload) => {
        const { purchases, unreadable } = decodePurchases(payload)
        expect(purchases).toEqual([])
        const [kept] = unreadable
        expect(Buffer.from(kept?.payload ?? "", kept?.encoding === "base64" ? "base64" : "utf8")).toEqual(
          Buffer.from(payload)
        )
      })
    )
  })
})

describe("contentFingerprint", () => {
  it("equal contents of purchases have the same fingerprint, and different contents have different fingerprints", () => {
    assert(
      property(tuple(purchases, purchases), ([one, other]) => {
        expect(contentFingerprint(one) === contentFingerprint(other)).toBe(sameContent(one, other))
        expect(contentFingerprint({ ...one })).toBe(contentFingerprint(one))
        expect(Number.isSafeInteger(contentFingerprint(one))).toBe(true)
      })
    )
  })

  it.each([
    ["a letter from name to type", { productName: "Lam", productType: "pOffice" }],
    ["a letter from type to name", { productName: "LampO", productType: "ffice" }],
    ["name and type exchanged", { productName: "Office", productType: "Lamp" }],
    ["value and quantity exchanged", { valueCents: 2n, quantity: 1_250 }],
    ["a cent more", { valueCents: 1_251n }],
    ["one more", { quantity: 3 }]
  ])("the fingerprint of a lamp differs from that of a lamp with %s", (_what, change) => {
    expect(contentFingerprint({ ...lamp, ...change })).not.toBe(contentFingerprint(lamp))
  })

  it("a fingerprint does not depend on the user or the id of the purchase", () => {
    const other = { ...lamp, purchaseId: "p2" as PurchaseId, userId: "bob" as UserId }
    expect(contentFingerprint(other)).toBe(contentFingerprint(lamp))
  })
})
