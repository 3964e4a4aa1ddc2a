import { describe, expect, it } from "vitest"
import type { EntryRequest } from "../../../src/account/Entry.ts"
import type { Reversal } from "../../../src/account/Reversal.ts"
import { LineObjectReader } from "../../../src/edge/contract/LineObjectReader.ts"
import { writtenBody } from "../../../src/edge/contract/MemberReader.ts"
import { isProblem, type Problem } from "../../../src/edge/contract/Problem.ts"
import { ReversalReader } from "../../../src/edge/contract/ReversalReader.ts"
import { purchaseText } from "../../support/TestService.ts"

const newId = () => "new-id"
const reader = new ReversalReader()
const purchase = { userId: "ann", purchaseId: "p1" } as Pick<Reversal, "userId" | "purchaseId">
const readText = (text: string, key?: string) => reader.read(writtenBody(text), purchase, key, newId)
const read = (members: Record<string, unknown>, key?: string) =>
  readText(JSON.stringify({ reason: "broken", ...members }), key)

const lines = new LineObjectReader()
const readLine = (members: object) => {
  const text = JSON.stringify(members)
  return lines.read({ what: "line", text, from: 0, to: text.length }, newId)
}
const lineOf = (members: Record<string, unknown> = {}) =>
  readLine({ reversalId: "r1", userId: "ann", purchaseId: "p1", reason: "broken", ...members })

const seen = (result: EntryRequest | Problem) =>
  isProblem(result) ? `${result.status} ${result.kind}: ${result.detail}` : result

describe("the body of a reversal", () => {
  it.each([
    ["names its id", { reversalId: "r1" }, undefined, { reversalId: "r1" }],
    ["leaves its id to the key", {}, "k1", { reversalId: "k1" }],
    ["names the id of the key", { reversalId: "k1" }, "k1", { reversalId: "k1" }],
    ["has no id", {}, undefined, { reversalId: "new-id" }],
    ["says how many pieces", { quantity: 3 }, undefined, { reversalId: "new-id", quantity: 3 }],
    ["has the most pieces", { quantity: 100_000 }, undefined, { reversalId: "new-id", quantity: 100_000 }],
    ["has a decomposed reason", { reason: "cafe\u0301" }, undefined, { reversalId: "new-id", reason: "caf\u00e9" }]
  ])("a body that %s is read", (_what, members, key, expected) => {
    expect(read(members, key)).toEqual({ ...purchase, reason: "broken", ...expected })
  })

  it.each([
    ["0", "0"],
    ["-1", "-1"],
    ["1.5", "1.5"],
    ["100001", "100001"],
    ["1e99", "1e99"]
  ])("a body with the quantity %s is refused", (quantity, shown) => {
    expect(seen(readText(`{"reason":"broken","quantity":${quantity}}`))).toBe(
      `422 refused-by-rules: quantity must be a whole number from 1 to 100000, and is ${shown}.`
    )
  })

  it.each([
    ["no reason", "{}", "400 malformed-request: The field reason is missing."],
    ["an empty reason", '{"reason":""}', "422 refused-by-rules: reason must not be empty."],
    ["a blank reason", '{"reason":" \\u00a0"}', "422 refused-by-rules: reason must not be blank."],
    [
      "a reason of 201 characters",
      JSON.stringify({ reason: "購".repeat(201) }),
      "422 refused-by-rules: reason must have at most 200 characters."
    ],
    [
      "a control character in the reason",
      '{"reason":"a\\u0007"}',
      "422 refused-by-rules: reason must not contain control, format or unpaired surrogate characters, and has U+0007."
    ],
    ["a number as the reason", '{"reason":1}', "400 malformed-request: reason must be a text."],
    [
      "a text as the quantity",
      '{"reason":"broken","quantity":"1"}',
      "400 malformed-request: quantity must be a number."
    ],
    [
      "a quantity that is null",
      '{"reason":"broken","quantity":null}',
      "400 malformed-request: quantity must be a number."
    ],
    [
      "a slash in the id",
      '{"reason":"broken","reversalId":"a/b"}',
      "422 refused-by-rules: reversalId must not contain / or \\, nor be . or .. (an id is one segment of a path)."
    ],
    [
      "a field of the purchase",
      '{"reason":"broken","purchaseId":"p1"}',
      '400 malformed-request: The field "purchaseId" is unknown. Known: reversalId, quantity, reason.'
    ],
    [
      "a key twice",
      '{"reason":"broken","reason":"late"}',
      "400 malformed-request: The key reason is given more than once. Give it once."
    ],
    [
      "a nested field",
      '{"reason":{}}',
      "400 malformed-request: Each field of a reversal must be a text or a number; nothing is nested."
    ],
    ["no object", "[]", "400 malformed-request: The body must be one JSON object."]
  ])("a body with %s is refused", (_what, text, expected) => {
    expect(seen(readText(text))).toBe(expected)
  })

  it("a body whose id differs from the Idempotency-Key is refused", () => {
    expect(seen(read({ reversalId: "r1" }, "r2"))).toBe(
      "400 malformed-request: reversalId and Idempotency-Key differ: send one of them."
    )
  })
})

describe("a line of a body", () => {
  it("a line with a reversalId is a reversal, and any other line is a purchase", () => {
    expect(lineOf()).toEqual({ reversalId: "r1", userId: "ann", purchaseId: "p1", reason: "broken" })
    expect(lineOf({ quantity: 2 })).toMatchObject({ reversalId: "r1", quantity: 2 })
    expect(readLine(JSON.parse(purchaseText({ purchaseId: "p1" })) as object)).toMatchObject({
      purchaseId: "p1",
      valueCents: 1_250n
    })
  })

  it.each(["userId", "purchaseId", "reason"])("a reversal in a line without %s is refused", (name) => {
    expect(seen(lineOf({ [name]: undefined }))).toBe(`400 malformed-request: The field ${name} is missing.`)
  })

  it.each(["productName", "productType", "value", "total"])("a reversal in a line with %s is refused", (name) => {
    expect(seen(lineOf({ [name]: 1 }))).toBe(
      `400 malformed-request: The field "${name}" is unknown. Known: reversalId, userId, purchaseId, quantity, reason.`
    )
  })

  it("a purchase in a line with a reason is refused, as is a purchase with any unknown field", () => {
    for (const name of ["reason", "other"]) {
      expect(seen(readLine(JSON.parse(purchaseText({ [name]: "broken" })) as object))).toBe(
        `400 malformed-request: The field "${name}" is unknown. Known: userId, productName, productType, value, quantity, purchaseId, total.`
      )
    }
  })

  it("a reversal in a line with an id that is no text, or with no pieces, is refused", () => {
    expect(seen(lineOf({ reversalId: 1 }))).toBe("400 malformed-request: reversalId must be a text.")
    expect(seen(lineOf({ quantity: 0 }))).toBe(
      "422 refused-by-rules: quantity must be a whole number from 1 to 100000, and is 0."
    )
  })
})
