import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Place, readPlace, showing, writePlace } from "../../src/dashboard/Address.js"

const text = fc.string({ minLength: 1, unit: "grapheme" })
const place: fc.Arbitrary<Place> = fc.record(
  {
    user: text,
    by: fc.constantFrom("hour", "month"),
    from: text,
    to: text,
    product: text,
    productType: text,
    order: fc.constant("oldest"),
    page: text,
    alerts: text,
    receipt: text,
    rejected: text
  },
  { requiredKeys: [] }
)

describe("the address of the page", () => {
  it("an address gives back the state that was written into it, whatever its texts are", () => {
    fc.assert(
      fc.property(place, fc.constantFrom("support", "operate"), (parts, view) => {
        const state = { order: "newest", by: "day", ...parts, view }
        expect(readPlace(`#${writePlace(state)}`)).toEqual(state)
      })
    )
  })

  it("an address without parts shows the view of support, and unknown parts are ignored", () => {
    const start = { view: "support", by: "day", order: "newest" }
    expect(readPlace("")).toEqual(start)
    expect(readPlace("#colour=red&user=&constructor=x")).toEqual(start)
    expect(writePlace(start)).toBe("")
  })

  it("the address of another user has no filters, no page and no receipt of the user before", () => {
    const before = { user: "ann", by: "month", from: "x", product: "Lamp", page: "c", alerts: "d", receipt: "p" }
    expect(writePlace({ ...before, ...showing("bob") })).toBe("user=bob&by=month")
  })
})
