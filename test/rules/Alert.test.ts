import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Alert,
  decodeAlert,
  decodeAlertId,
  decodeAlerts,
  encodeAlert,
  encodeAlertId,
  encodeAlerts,
  MalformedAlert
} from "../../src/rules/Alert.ts"
import { isInCents } from "../../src/rules/Rule.ts"
import { anyName, anyRule } from "./AnyRule.ts"

const numbers = fc.integer({ min: 1, max: 999_999_999_999_999 })
const anyAlert: fc.Arbitrary<Alert> = fc.record({
  sequence: numbers,
  line: fc.integer({ min: 1, max: 1_000 }),
  index: fc.integer({ min: 0, max: 500 }),
  ruleNumber: numbers,
  owner: anyName,
  ruleId: anyName,
  ruleVersion: numbers,
  rule: anyRule,
  userId: anyName,
  purchase: fc.record({
    purchaseId: anyName,
    productName: anyName,
    productType: anyName,
    valueCents: fc.bigInt({ min: 1n, max: 100_000_000n }),
    quantity: fc.integer({ min: 1, max: 100_000 }),
    inputSequence: numbers,
    inputIndex: fc.nat(500),
    storedAt: fc.nat(4_000_000_000_000)
  }),
  before: fc.option(fc.bigInt({ min: 0n, max: 9_007_199_254_740_991n }), { nil: undefined }),
  after: fc.bigInt({ min: 1n, max: 9_007_199_254_740_991n })
})

const laptop: Alert = {
  sequence: 39,
  line: 2,
  index: 0,
  ruleNumber: 17,
  owner: "ann",
  ruleId: "budget",
  ruleVersion: 3,
  rule: {
    who: "all",
    scope: { kind: "productType", name: "Electronics" },
    measure: "spent",
    within: { kind: "length", milliseconds: 7 * 86_400_000 },
    is: "crosses",
    threshold: 20_000n,
    from: undefined,
    until: undefined,
    enabled: true,
    note: ""
  },
  userId: "bob",
  purchase: {
    purchaseId: "1",
    productName: "Laptop",
    productType: "Electronics",
    valueCents: 12_550n,
    quantity: 1,
    inputSequence: 8,
    inputIndex: 4,
    storedAt: Date.parse("2026-11-24T18:30:00Z")
  },
  before: 10_000n,
  after: 22_550n
}

describe("an alert as text", () => {
  it("the text of an alert has exact decimal amounts, and the version of the rule that the purchase met", () => {
    expect(encodeAlert(laptop)).toBe(
      '{"v":1,"id":"39.2.0.17","owner":"ann","rule":{"ruleId":"budget","number":17,"version":3,"asJudged":' +
        '{"who":"all","productType":"Electronics","measure":"spent","within":"P7D","is":"crosses","threshold":200.00,"enabled":true}},' +
        '"userId":"bob","purchase":{"purchaseId":"1","productName":"Laptop","productType":"Electronics","value":125.50,"quantity":1,' +
        '"inputSequence":8,"inputIndex":4,"storedAt":"2026-11-24T18:30:00.000Z"},"measured":{"before":100.00,"after":225.50}}'
    )
  })

  it("an alert is read back as it was written, with exact amounts and any texts", () => {
    fc.assert(
      fc.property(anyAlert, (alert) => {
        fc.pre(isInCents(alert.rule.measure) || (alert.before ?? 0n) < 10n ** 15n)
        fc.pre(isInCents(alert.rule.measure) || alert.after < 10n ** 15n)
        expect(decodeAlert(encodeAlert(alert))).toEqual(alert)
      }),
      { numRuns: 500 }
    )
  })

  it.each([
    ["{}", "v"],
    ['{"v":2}', "v"]
  ])("the text %s is refused as an alert", (text, field) => {
    expect(() => decodeAlert(text)).toThrow(field)
  })

  it("an alert whose rule or whose id is malformed is refused", () => {
    const [alert] = fc.sample(anyAlert, { numRuns: 1, seed: 1 }) as [Alert]
    const text = encodeAlert(alert)
    expect(() => decodeAlert(text.replace('"who":', '"whose":'))).toThrow(MalformedAlert)
    expect(() => decodeAlert(text.replace(`"id":"`, `"id":"0`))).toThrow(MalformedAlert)
  })
})

describe("the alerts of one purchase for one owner", () => {
  it("the alerts of one purchase are one array, and are read back in their order", () => {
    const second = { ...laptop, ruleNumber: 18, ruleId: "other" }
    expect(encodeAlerts([laptop, second])).toBe(`[${encodeAlert(laptop)},${encodeAlert(second)}]`)
    expect(decodeAlerts(encodeAlerts([laptop, second]))).toEqual([laptop, second])
    expect(decodeAlerts("[]")).toEqual([])
  })

  it("a text with a single alert outside of an array is refused", () => {
    expect(() => decodeAlerts(encodeAlert(laptop))).toThrow(MalformedAlert)
  })
})

describe("the id of an alert", () => {
  it("the id of an alert names the place of the purchase in the journal, and the number of the rule", () => {
    const place = { sequence: 39, line: 2, index: 0, ruleNumber: 17 }
    expect(encodeAlertId(place)).toBe("39.2.0.17")
    expect(decodeAlertId("39.2.0.17")).toEqual(place)
  })

  it.each(["", "39.2.0", "39.2.0.17.1", "0.1.0.1", "39.0.0.17", "39.2.00.17", "39.2.-1.17", "39.2.0.x", " 39.2.0.17"])(
    "the text %j is refused as the id of an alert",
    (text) => {
      expect(decodeAlertId(text)).toBe(undefined)
    }
  )
})
