import { gzipSync } from "node:zlib"
import { afterAll, describe, expect, it } from "vitest"
import { inputMessages, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()
const accepted: Array<string> = []
afterAll(async () => {
  // Of the requests of this file, only requests that a test names as accepted get to the broker.
  const stored = (await inputMessages(service.client)).flatMap(({ purchases }) => purchases)
  expect(stored.map(({ purchaseId }) => purchaseId).sort()).toEqual(accepted.sort())
})

/** The JSON text of a purchase, with the text of one member unchanged. */
const withMember = (name: string, json: string): string =>
  purchaseText({ [name]: undefined }).replace("{", `{${JSON.stringify(name)}:${json},`)

const malformed = (detail: string) => refusal("malformed-request", detail, "/purchases")
const refused = (detail: string) => refusal("refused-by-rules", detail, "/purchases")
const nested = malformed("Each field of a purchase must be a text or a number; nothing is nested.")

describe("an amount", () => {
  it.each([
    ["value", "1e400", refused("value 1e400 is out of range.")],
    ["value", "1e999999999", refused("value 1e999999999 is out of range.")],
    ["value", "1e-3", refused("value 1e-3 has more than two decimal places.")],
    ["value", "1e7", refused("value must be at most 1000000.00, and is 1e7.")],
    ["value", "9007199254740993", refused("value 9007199254740993 is out of range.")],
    ["value", "999999999999999", refused("value must be at most 1000000.00, and is 999999999999999.")],
    ["value", "1".repeat(400), refused(`value ${"1".repeat(40)} is out of range.`)],
    ["value", "0", refused("value must be above 0, and is 0.")],
    ["value", "0.00", refused("value must be above 0, and is 0.00.")],
    ["value", "-1", refused("value must be above 0, and is -1.")],
    ["value", "-0", refused("value must be above 0, and is -0.")],
    ["value", "1.005", refused("value 1.005 has more than two decimal places.")],
    ["value", "1000000.01", refused("value must be at most 1000000.00, and is 1000000.01.")],
    ["value", '"5"', malformed("value must be a number.")],
    ["value", "null", malformed("value must be a number.")],
    ["value", "true", malformed("value must be a number.")],
    ["value", "[5]", nested],
    ["value", '{"a":5}', nested],
    ["quantity", "0", refused("quantity must be a whole number from 1 to 100000, and is 0.")],
    ["quantity", "-1", refused("quantity must be a whole number from 1 to 100000, and is -1.")],
    ["quantity", "-0", refused("quantity must be a whole number from 1 to 100000, and is -0.")],
    ["quantity", "2.5", refused("quantity must be a whole number from 1 to 100000, and is 2.5.")],
    ["quantity", "25e-1", refused("quantity must be a whole number from 1 to 100000, and is 25e-1.")],
    ["quantity", "1e6", refused("quantity must be a whole number from 1 to 100000, and is 1e6.")],
    ["quantity", "1e400", refused("quantity must be a whole number from 1 to 100000, and is 1e400.")],
    ["quantity", "100001", refused("quantity must be a whole number from 1 to 100000, and is 100001.")],
    [
      "quantity",
      "9007199254740993",
      refused("quantity must be a whole number from 1 to 100000, and is 9007199254740993.")
    ],
    ["quantity", '"5"', malformed("quantity must be a number.")],
    ["total", "9007199254740993", refused("total must be value times quantity, 25.00, or be left out.")],
    ["total", "1e400", refused("total must be value times quantity, 25.00, or be left out.")],
    ["total", '"25"', malformed("total must be a number.")]
  ])("the amount %s %s is refused", async (name, json, expected) => {
    expect(await service.post(withMember(name, json))).toEqual(expected)
  })

  it.each(["NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "0x10", "1_000"])(
    "the amount %s is no JSON",
    async (json) => {
      const { status, body } = await service.post(withMember("value", json))
      expect(status).toBe(400)
      expect(body).toContain('"detail":"The body is not JSON: ')
    }
  )

  it.each([
    ["value", "12.500"],
    ["value", "1.25E+1"],
    ["value", "1250e-2"],
    ["quantity", "2.0"],
    ["quantity", "2e0"],
    ["quantity", "0.2E+1"],
    ["total", "25.000"],
    ["total", "2.5e1"]
  ])("the amount %s %s is taken by its value", async (name, json) => {
    const purchaseId = `${name} ${json}`
    accepted.push(purchaseId)
    const answer = await service.post(withMember(name, json).replace("{", `{"purchaseId":"${purchaseId}",`))
    expect(answer.status).toBe(202)
    expect(answer.body).toContain('"value":12.50,"quantity":2,"total":25.00')
  })

  it("an amount is refused if value times quantity is above its bound", async () => {
    expect(await service.post(purchaseText({ value: 1_000_000, quantity: 10_001 }))).toEqual(
      refused("value times quantity must be at most 10000000000.00.")
    )
  })
})

describe("a body", () => {
  it("a purchase may have brackets, braces and quotes in its texts", async () => {
    accepted.push("brackets")
    const productName = '[{"\\"}] {'
    const answer = await service.post(purchaseText({ purchaseId: "brackets", productName }))
    expect(answer.status).toBe(202)
    expect(answer.body).toContain(`"productName":${JSON.stringify(productName)},`)
  })

  const unknown = (name: string) =>
    malformed(
      `The field ${JSON.stringify(name)} is unknown. Known: userId, productName, productType, value, quantity, purchaseId, total.`
    )
  it.each([
    [
      "repeats a key",
      purchaseText().replace("{", '{"value":1,'),
      malformed("The key value is given more than once. Give it once.")
    ],
    [
      "repeats a key in other characters",
      purchaseText().replace("{", '{"\\u0076alue":1,'),
      malformed("The key value is given more than once. Give it once.")
    ],
    ["has __proto__", withMember("__proto__", "1"), unknown("__proto__")],
    ["has an object at __proto__", withMember("__proto__", "{}"), nested],
    ["has constructor", withMember("constructor", "1"), unknown("constructor")],
    ["has an unknown field", withMember("price", "1"), unknown("price")],
    ["is arrays 7,000 deep", "[".repeat(7_000) + "]".repeat(7_000), malformed("The body must be one JSON object.")],
    ["has arrays 7,000 deep", withMember("productName", "[".repeat(7_000) + "]".repeat(7_000)), nested],
    [
      "hides arrays 7,000 deep behind a repeated key",
      purchaseText().replace("{", `{"value":${"[".repeat(7_000)}${"]".repeat(7_000)},`),
      nested
    ],
    ["is an array", `[${purchaseText()}]`, malformed("The body must be one JSON object.")],
    ["is null", "null", malformed("The body must be one JSON object.")],
    ["is a text", '"purchase"', malformed("The body must be one JSON object.")],
    ["is a number", "5", malformed("The body must be one JSON object.")],
    ["is an empty object", "{}", malformed("The field userId is missing.")],
    ["is not UTF-8", Uint8Array.of(0x22, 0xff, 0x22), malformed("The body could not be read as UTF-8 text.")]
  ])("a body that %s is refused", async (_what, body, expected) => {
    expect(await service.post(body)).toEqual(expected)
  })

  it.each(["userId", "productName", "productType", "value", "quantity"])(
    "a body without %s is refused",
    async (name) => {
      expect(await service.post(purchaseText({ [name]: undefined }))).toEqual(
        malformed(`The field ${name} is missing.`)
      )
    }
  )

  it.each(["purchaseId", "userId", "productName", "productType"])(
    "a body with a number as %s is refused",
    async (name) => {
      expect(await service.post(purchaseText({ [name]: 5 }))).toEqual(malformed(`${name} must be a text.`))
    }
  )

  it.each([
    "",
    " ",
    "{",
    `${purchaseText()}x`,
    `${purchaseText()}\n${purchaseText()}`,
    `\uFEFF\uFEFF${purchaseText()}`,
    `${purchaseText()}\uFEFF`,
    "\0"
  ])("the body %j is no JSON", async (body) => {
    const answer = await service.post(body)
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('"detail":"The body is not JSON: ')
  })
})

describe("a byte order mark", () => {
  it("a byte order mark before a body is no part of it, also if the body is packed", async () => {
    for (const purchaseId of ["marked", "marked-and-packed"]) accepted.push(purchaseId)
    expect((await service.post(`\uFEFF${purchaseText({ purchaseId: "marked" })}`)).status).toBe(202)
    const packed = gzipSync(`\uFEFF${purchaseText({ purchaseId: "marked-and-packed" })}`)
    expect((await service.post(packed, { "content-encoding": "gzip" })).status).toBe(202)
  })

  it("a message shows a byte order mark within a text, as it shows every invisible character", async () => {
    const seen = async (body: string) => (JSON.parse((await service.post(body)).body) as { detail: string }).detail
    expect(await seen(`\uFEFF\uFEFF${purchaseText()}`)).toMatch(/^The body is not JSON: [^\uFEFF]*<U\+FEFF>[^\uFEFF]*$/)
    expect(await seen(withMember("va\uFEFFlue", "1"))).toContain('The field "va<U+FEFF>lue" is unknown.')
    expect(await seen(withMember("va\u200blue\u00a0", "1"))).toContain('The field "va<U+200B>lue<U+00A0>" is unknown.')
    expect(await seen(withMember("productName", '"a\uFEFF"'))).toContain("and has U+FEFF.")
  })
})

describe("a large body", () => {
  const tooLarge = refusal("body-too-large", "A purchase has at most 16384 bytes.", "/purchases")
  const padded = (bytes: number) => purchaseText().padEnd(bytes, " ")

  it("a large body is refused if it is one byte above the bound", async () => {
    accepted.push("padded")
    expect((await service.post(purchaseText({ purchaseId: "padded" }).padEnd(16_384, " "))).status).toBe(202)
    expect(await service.post(padded(16_385))).toEqual(tooLarge)
    expect(await service.post(padded(16_385), { "content-length": "16385" })).toEqual(tooLarge)
  })

  it("a large body that comes in chunks is refused without being read to its end", async () => {
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 64 * 1024
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20))
        if (sent >= 10 * 1024 * 1024) controller.close()
      }
    })
    const request = new Request("http://localhost/purchases", {
      method: "POST",
      body,
      duplex: "half",
      headers: { "content-type": "application/json" }
    })
    expect(await seen(service.edge.app.request(request))).toEqual(tooLarge)
    expect(sent).toBeLessThanOrEqual(4 * 64 * 1024)
  })
})
