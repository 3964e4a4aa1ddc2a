import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { centsOf, decimalOf, parseExact } from "../../src/client/Amount.ts"
import { decimalFromCents } from "../../src/account/Money.ts"
import { openApi } from "../../src/edge/route/OpenApi.ts"
import { routes } from "../../src/edge/server/Routes.ts"

describe("amounts of the client", () => {
  it("the client writes and reads amounts as the service does", () => {
    fc.assert(
      fc.property(fc.bigInt(), (cents) => {
        expect(decimalOf(cents)).toBe(decimalFromCents(cents))
        expect(centsOf(decimalOf(cents))).toBe(cents)
      })
    )
  })

  it("amounts with fewer than two decimal places are taken, and any other text is refused", () => {
    expect({ whole: centsOf("5"), oneDecimal: centsOf("5.1"), negative: centsOf("-0.05") }).toEqual({
      whole: 500n,
      oneDecimal: 510n,
      negative: -5n
    })
    for (const text of ["", "1.005", "1e3", "0x10", "01", ".5", "1.", " 1"])
      expect(() => centsOf(text)).toThrow(TypeError)
  })

  it("amounts are read exactly from their digits, and counts are read as numbers", () => {
    const text = `{"total":90071992547409931.10,"purchaseCount":3,"purchases":[{"value":1.00,"quantity":2}]}`
    expect(parseExact(text)).toEqual({
      total: "90071992547409931.10",
      purchaseCount: 3,
      purchases: [{ value: "1.00", quantity: 2 }]
    })
  })

  it("the client reads as text every member that the OpenAPI document calls an amount", () => {
    const found = new Set<string>()
    const search = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return
      const { properties = {} } = value as { readonly properties?: Readonly<Record<string, unknown>> }
      for (const [name, member] of Object.entries(properties)) {
        const { $ref, allOf = [] } = member as { readonly $ref?: string; readonly allOf?: ReadonlyArray<object> }
        const references = [$ref, ...allOf.map((part) => "$ref" in part && part.$ref)]
        if (references.includes("#/components/schemas/Amount")) found.add(name)
      }
      for (const member of Object.values(value)) search(member)
    }
    search(openApi(routes))
    expect([...found]).toContain("amount")
    for (const name of found) expect(parseExact(`{"${name}":-1.10}`)).toEqual({ [name]: "-1.10" })
  })

  it("a text inside of JSON is not searched for amounts", () => {
    for (const text of ['"total":5', '\\"value\\":1.00', "\\", '"', '\\\\"total\\\\": 1']) {
      const json = `{"productName":${JSON.stringify(text)},"total" :\n -1.10}`
      expect(parseExact(json)).toEqual({ productName: text, total: "-1.10" })
    }
    expect(parseExact('["total",1,{"total":"7","value":null,"runningTotal":[1.50]}]')).toEqual([
      "total",
      1,
      { total: "7", value: null, runningTotal: [1.5] }
    ])
  })

  it("amounts in any JSON text are read as the JSON.parse of a newer runtime reads them", () => {
    const names = new Set(["value", "total", "runningTotal", "amount", "totalDebt", "threshold", "before", "after"])
    const bySource = (json: string): unknown =>
      JSON.parse(json, (name, value: unknown, { source }: { readonly source?: string } = {}) =>
        typeof value === "number" && names.has(name) ? source : value
      )
    const name = fc.oneof(fc.constantFrom(...names), fc.string({ unit: "binary" }))
    const { tree } = fc.letrec((tie) => ({
      leaf: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string({ unit: "binary" }), fc.boolean()),
      tree: fc.oneof(
        { maxDepth: 4 },
        tie("leaf"),
        fc.dictionary(name, tie("tree"), { noNullPrototype: true }),
        fc.array(tie("tree"))
      )
    }))
    fc.assert(
      fc.property(tree, fc.constantFrom(0, 1, "\t", "\r\n"), (value, space) => {
        // A member whose name is written with escapes is the same member.
        const json = JSON.stringify(value, undefined, space).replaceAll('"total"', '"\\u0074otal"')
        expect(parseExact(json)).toEqual(bySource(json))
      }),
      { numRuns: 300 }
    )
  })

  it("a text with amounts that is no JSON is refused", () => {
    for (const text of [
      "",
      "{",
      '{"total":01}',
      '{"total":1.}',
      '{"total":-}',
      '{"total":1e}',
      '"total',
      '{"total":5',
      '"\\x"'
    ]) {
      expect(() => parseExact(text)).toThrow(SyntaxError)
    }
  })
})
