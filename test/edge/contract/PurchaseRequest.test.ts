import { array, assert, constantFrom, integer, json, oneof, property, record, string } from "fast-check"
import { describe, expect, it } from "vitest"
import { decimalFromCents } from "../../../src/account/Money.ts"
import type { Purchase } from "../../../src/account/Purchase.ts"
import { isProblem, type Problem } from "../../../src/edge/contract/Problem.ts"
import { writtenBody } from "../../../src/edge/contract/MemberReader.ts"
import { PurchaseReader } from "../../../src/edge/contract/PurchaseReader.ts"
import { purchaseText } from "../../support/TestService.ts"

const newId = () => "new-id"
const reader = new PurchaseReader()
const read = (text: string, key?: string): Purchase | Problem => reader.read(writtenBody(text), key, newId)
const lamp = {
  purchaseId: "p1",
  userId: "ann",
  productName: "Lamp",
  productType: "Office",
  valueCents: 1_250n,
  quantity: 2
}
const statusOf = (read: Purchase | Problem): number => (isProblem(read) ? read.status : 200)

describe("readPurchase", () => {
  it.each([
    ["names its id", { purchaseId: "p1" }, undefined, lamp],
    ["leaves it to the key", {}, "k1", { ...lamp, purchaseId: "k1" }],
    ["has none", {}, undefined, { ...lamp, purchaseId: "new-id" }],
    ["says its total", { purchaseId: "p1", total: 25 }, undefined, lamp],
    [
      "is decomposed",
      { purchaseId: "e\u0301", userId: "o\u0308", productName: "a\u030A", productType: "n\u0303" },
      undefined,
      { ...lamp, purchaseId: "\u00e9", userId: "\u00f6", productName: "\u00e5", productType: "\u00f1" }
    ]
  ])("a purchase can be read if it %s", (_what, members, key, expected) => {
    expect(read(purchaseText(members), key)).toEqual(expected)
  })

  it.each([
    ["0.01", 1n],
    ["0.1", 10n],
    ["0.10", 10n],
    ["1", 100n],
    ["1.0", 100n],
    ["1.1", 110n],
    ["8.41", 841n],
    ["1.15", 115n],
    ["999999.99", 99_999_999n],
    ["1000000", 100_000_000n],
    ["1000000.00", 100_000_000n]
  ])("the value %s is read exactly", (text, valueCents) => {
    const body = purchaseText({ purchaseId: "p1", quantity: 1, value: undefined }).replace("{", `{"value":${text},`)
    expect(read(body)).toEqual({ ...lamp, valueCents, quantity: 1 })
  })

  it("totals of 10,000,000.00 and more are taken as Java writes them", () => {
    const largest = purchaseText({ purchaseId: "p1", value: 1_000_000, quantity: 10_000 })
    const total = (text: string) => statusOf(read(largest.replace("{", `{"total":${text},`)))
    expect(["1.0E10", "9.99999999999E9", "1.0E11", "1.0E99"].map(total)).toEqual([200, 422, 422, 422])
    const odd = purchaseText({ purchaseId: "p1", value: 123_456.78, quantity: 100 })
    expect(statusOf(read(odd.replace("{", '{"total":1.2345678E7,')))).toBe(200)
  })

  it.each(["2.4E1", "2.5E-1", "2.5E", "2.5E2", "2.5e100"])("the total %s is refused", (total) => {
    expect(isProblem(read(purchaseText({ purchaseId: "p1" }).replace("{", `{"total":${total},`)))).toBe(true)
  })

  it.each(["25", "25.0", "25.00", "2.5E1", "2.50e+1", "25e0", "0.25E2", "250e-1"])("the total %s is taken", (total) => {
    expect(read(purchaseText({ purchaseId: "p1" }).replace("{", `{"total":${total},`))).toEqual(lamp)
  })

  const texts = string({ unit: "grapheme", minLength: 1, maxLength: 64 })
  it("every valid purchase is read as it was written, with its members in any order and spelling", () => {
    const cents = integer({ min: 1, max: 100_000_000 }).map(BigInt)
    const order = array(integer(), { minLength: 6, maxLength: 6 })
    assert(
      property(
        texts,
        texts,
        texts,
        cents,
        integer({ min: 1, max: 10_000 }),
        order,
        (id, name, type, valueCents, quantity, weights) => {
          const members = [
            ["purchaseId", JSON.stringify(id)],
            ["userId", JSON.stringify(id)],
            ["productName", JSON.stringify(name)],
            ["productType", JSON.stringify(type)],
            ["value", decimalFromCents(valueCents)],
            ["quantity", String(quantity)]
          ]
            .map((member, index) => ({ member, weight: weights[index] ?? 0 }))
            .sort((one, other) => one.weight - other.weight)
            .map(({ member: [key, value] }) => ` "${key}" :\n${value}\t`)
          const result = read(`{${members.join(",")}}`)
          // Values that the rules refuse are in the tables of this file.
          if (isProblem(result) && result.kind === "refused-by-rules") return
          expect(result).toEqual({
            purchaseId: id.normalize("NFC"),
            userId: id.normalize("NFC"),
            productName: name.normalize("NFC"),
            productType: type.normalize("NFC"),
            valueCents,
            quantity
          })
        }
      )
    )
  })

  it("for any JSON or text the reader returns a purchase or a problem of the caller, and never throws", () => {
    const bodies = oneof(
      json(),
      string(),
      string({ unit: constantFrom(...'{}[]":,\\ue1.-+ \n0nl'), maxLength: 40 }),
      record({ userId: texts, productName: texts, productType: texts, value: json(), quantity: json() }).map(
        ({ value, quantity, ...others }) =>
          `${JSON.stringify(others).slice(0, -1)},"value":${value},"quantity":${quantity}}`
      )
    )
    assert(
      property(bodies, (body) => {
        expect([200, 400, 422]).toContain(statusOf(read(body)))
      }),
      { numRuns: 2_000 }
    )
  })

  it("a purchase that has any key twice is refused, in any spelling of the key", () => {
    const keys = ["userId", "productName", "productType", "value", "quantity", "purchaseId"]
    for (const key of keys) {
      for (const spelled of [key, `\\u${key.charCodeAt(0).toString(16).padStart(4, "0")}${key.slice(1)}`]) {
        const twice = purchaseText({ purchaseId: "p1" }).replace(/\}$/, `,"${spelled}":1}`)
        expect(read(twice)).toMatchObject({
          status: 400,
          detail: `The key ${key} is given more than once. Give it once.`
        })
      }
    }
  })

  it("a purchase with other fields than its own is refused", () => {
    const fields = string({ unit: "grapheme", maxLength: 20 })
    const known = ["userId", "productName", "productType", "value", "quantity", "purchaseId", "total"]
    assert(
      property(oneof(fields, constantFrom("__proto__", "constructor", "toString", "prototype")), (name) => {
        if (known.includes(name)) return
        expect(statusOf(read(purchaseText().replace(/\}$/, `,${JSON.stringify(name)}:1}`)))).toBe(400)
      })
    )
  })
})
