import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeRule, encodeRule, type Rule, RuleProblem, ruleInWords, centsMax } from "../../src/rules/Rule.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { lengthsOnAll, readLength } from "../../src/rules/RuleWindow.ts"
import { anyRule } from "./AnyRule.ts"

/** Returns the JSON of a rule with some fields changed; a field with `undefined` is left out. */
const ruleJson = (fields: Record<string, unknown>): string =>
  JSON.stringify({ measure: "value", is: "less-or-equal", threshold: 900, product: "Laptop", ...fields })

const running = { measure: "spent", is: undefined, threshold: 200 }

/** Returns the JSON of a rule whose threshold is written exactly as given. */
const withThreshold = (threshold: string, measure = "value"): string =>
  `{"measure":"${measure}","is":"equal","threshold":${threshold}}`

const decoded = (text: string): Rule => {
  const rule = decodeRule(text)
  if (rule instanceof RuleProblem) throw new Error(rule.message)
  return rule
}

const problemOf = (text: string): string => {
  const rule = decodeRule(text)
  return rule instanceof RuleProblem ? rule.message : `is a rule: ${encodeRule(rule)}`
}

describe("a rule as JSON", () => {
  it("a rule is read back as it was written, and equal rules have equal texts", () => {
    fc.assert(
      fc.property(anyRule, (rule) => {
        expect(decodeRule(encodeRule(rule))).toEqual(rule)
        expect(encodeRule(decoded(encodeRule(rule)))).toBe(encodeRule(rule))
      }),
      { numRuns: 1_000 }
    )
  })

  it("the example of the documentation is read as a rule", () => {
    const [, example = ""] = /```json\n(.*)\n```/.exec(readFileSync(join(projectRoot, "docs/rules.md"), "utf8")) ?? []
    expect(ruleInWords(decoded(example))).toBe(
      'Alert when your spending on something of the type "Electronics" in 7 days reaches 200.00 USD.'
    )
  })

  it("a rule has defaults for fields that are left out", () => {
    expect(decoded('{"measure":"spent","threshold":200.5}')).toEqual({
      who: "self",
      scope: { kind: "everything" },
      measure: "spent",
      within: { kind: "ever" },
      is: "crosses",
      threshold: 20_050n,
      from: undefined,
      until: undefined,
      enabled: true,
      note: ""
    })
  })

  it("the window of a rule about all users is a calendar window, or has one of a few lengths in any spelling", () => {
    const all = { who: "all", measure: "spent", is: "crosses" }
    for (const length of lengthsOnAll) {
      expect(decoded(ruleJson({ ...all, within: length })).within).toEqual({
        kind: "length",
        milliseconds: readLength(length)
      })
    }
    expect(encodeRule(decoded(ruleJson({ ...all, within: "PT168H" })))).toContain('"within":"P7D"')
    const within = { by: "month", timeZone: "Europe/Berlin" }
    expect(decoded(ruleJson({ ...all, within })).within).toEqual({ kind: "calendar", ...within })
  })

  it("the texts of a rule are in normalization form C, so that they can be compared exactly", () => {
    expect(decoded(ruleJson({ product: "Cafe\u0301" })).scope).toEqual({ kind: "product", name: "Caf\u00e9" })
  })

  it.each([
    ["1e2", 10_000n],
    ["900.000", 90_000n],
    ["0.01", 1n],
    ["0.30", 30n],
    ["90071992547409.90", centsMax]
  ])("the threshold %s is read as its exact value", (text, cents) => {
    expect(decoded(withThreshold(text)).threshold).toBe(cents)
  })

  it.each(["-0", "0", "-0.0", "0.004", `${0.1 + 0.2}`, "1e400", "1e-400", "-1", "90071992547409.91", "1e15"])(
    "the threshold %s is refused, and the message shows it",
    (text) => {
      expect(problemOf(withThreshold(text))).toContain(`and is ${text.slice(0, 40)}`)
    }
  )

  it.each(["NaN", "Infinity", "-Infinity", "+1", "0x10", "01", ".5", "1_000"])(
    "the threshold %s is refused, because it is not JSON",
    (text) => {
      expect(problemOf(withThreshold(text))).toBe("A rule is one JSON object, and this is not JSON.")
    }
  )

  it.each(['"900"', "null", "true", "[900]", "{}"])(
    "the threshold %s is refused, because it is not a number",
    (text) => {
      expect(problemOf(withThreshold(text))).toBe(
        `threshold must be a number with at most two decimal places, from 0.01 to 90071992547409.90, and is ${text}.`
      )
    }
  )

  it.each(["2.5", "0.01", "0"])("the threshold %s is refused for a number of pieces", (text) => {
    expect(problemOf(withThreshold(text, "quantity"))).toContain("threshold must be a whole number from 1 to")
  })
})

describe("a wrong rule", () => {
  it.each([
    ["[]", "A rule is one JSON object."],
    ["null", "A rule is one JSON object."],
    ["7", "A rule is one JSON object."],
    ['{"measure":"value"', "A rule is one JSON object, and this is not JSON."],
    ['{"measure":"value","measure":"total"}', '"measure" stands twice in one object.'],
    ['{"within":{"by":"day","b\\u0079":"hour"}}', '"by" stands twice in one object.'],
    [ruleJson({ colour: "red" }), '"colour" is not a field of a rule.'],
    ['{"__proto__":{}}', '"__proto__" is not a field of a rule.'],
    [ruleJson({ who: "me" }), 'who must be one of self, all, and is "me".'],
    [ruleJson({ measure: undefined }), "measure must be one of value, quantity, total, spent, count, and is missing."],
    [ruleJson({ is: undefined }), "is must be one of equal, greater-or-equal, less-or-equal, crosses, and is missing."],
    [ruleJson({ is: "crosses" }), "is can be crosses for spent and count only, and the measure is value."],
    [ruleJson({ threshold: undefined }), "and is missing."],
    [ruleJson({ productType: "Electronics" }), "product and productType exclude each other: leave one of them out."],
    [ruleJson({ product: "" }), "product must not be empty."],
    [ruleJson({ product: "x".repeat(201) }), "product must have at most 200 characters."],
    [ruleJson({ product: 7 }), "product must be a text, and is 7."],
    [ruleJson({ within: "P7D" }), "within is for the measures spent and count, and the measure is value."],
    [ruleJson({ ...running, within: "PT0S" }), '{"by": "hour|day|month", "timeZone": …}, and is "PT0S".'],
    [ruleJson({ ...running, within: "P100Y" }), 'and is "P100Y".'],
    [ruleJson({ ...running, within: "PT59S" }), 'and is "PT59S".'],
    [ruleJson({ ...running, within: "P31DT1S" }), 'and is "P31DT1S".'],
    [ruleJson({ ...running, within: "P" }), 'and is "P".'],
    [ruleJson({ ...running, within: "P1DT" }), 'and is "P1DT".'],
    [ruleJson({ ...running, within: 60 }), "and is 60."],
    [
      ruleJson({ ...running, who: "all", within: "PT61S" }),
      "within of a rule about all users must be one of PT1M, PT5M, PT10M, PT15M, PT30M, PT1H, PT2H, PT6H, PT12H, P1D, P2D, P3D, P7D, P14D, P28D, P30D, P31D, and is PT1M1S."
    ],
    [
      ruleJson({ ...running, within: { by: "week", timeZone: "UTC" } }),
      'within.by must be one of hour, day, month, and is "week".'
    ],
    [ruleJson({ ...running, within: { by: "day", timeZone: "+01:00" } }), 'like Europe/Berlin, and is "+01:00".'],
    [ruleJson({ ...running, within: { by: "day", timeZone: "UTC", of: 1 } }), '"of" is not a field of within.'],
    [ruleJson({ from: "2026-11-24" }), 'and is "2026-11-24".'],
    [ruleJson({ from: "2026-11-24T18:30:00" }), "from must be a time from 1970 to 2999 with its offset"],
    [ruleJson({ until: "2026-02-30T00:00:00Z" }), 'and is "2026-02-30T00:00:00Z".'],
    [ruleJson({ from: "2026-11-24T18:30:00Z", until: "2026-11-24T19:30:00+01:00" }), "until must be later than from."],
    [ruleJson({ enabled: "yes" }), 'enabled must be true or false, and is "yes".'],
    [ruleJson({ note: "x".repeat(201) }), "note must have at most 200 characters."],
    [ruleJson({ note: "a\u0000" }), "note must not contain control"]
  ])("the text %s is refused as a rule, with a reason", (text, reason) => {
    expect(problemOf(text)).toContain(reason)
  })

  it("no text that is not a rule is read as a rule, and no text makes the reader throw", () => {
    fc.assert(
      fc.property(fc.json(), fc.string(), (json, text) => {
        expect(decodeRule(json)).toBeInstanceOf(RuleProblem)
        expect(decodeRule(text)).toBeInstanceOf(RuleProblem)
      })
    )
  })
})

describe("a rule in words", () => {
  it.each([
    [ruleJson({}), 'Alert when you buy "Laptop" for 900.00 USD or less a piece.'],
    [
      ruleJson({ who: "all", product: undefined, measure: "quantity", is: "equal", threshold: 5 }),
      "Alert when somebody buys exactly 5 of anything in one purchase."
    ],
    [
      ruleJson({ measure: "total", is: "greater-or-equal", enabled: false }),
      'Alert when you buy "Laptop" for 900.00 USD or more in one purchase. The rule is switched off.'
    ],
    [
      ruleJson({ ...running, product: undefined, productType: "Electronics", within: "P7D" }),
      'Alert when your spending on something of the type "Electronics" in 7 days reaches 200.00 USD.'
    ],
    [
      ruleJson({ ...running, measure: "count", who: "all", is: "less-or-equal", threshold: 1 }),
      `Alert when one user's number of purchases of "Laptop" in all is 1 or less after a purchase.`
    ],
    [
      ruleJson({ ...running, within: { by: "month", timeZone: "Europe/Berlin" }, from: "2026-11-24T18:30:00+01:00" }),
      'Alert when your spending on "Laptop" in one month (Europe/Berlin) reaches 200.00 USD, from 2026-11-24T17:30:00.000Z.'
    ],
    [
      ruleJson({ ...running, within: "PT90M", until: "2027-01-01T00:00:00Z" }),
      'Alert when your spending on "Laptop" in 1 hour and 30 minutes reaches 200.00 USD, until 2027-01-01T00:00:00.000Z.'
    ]
  ])("the rule %s is written as a sentence", (text, words) => {
    expect(ruleInWords(decoded(text))).toBe(words)
  })
})
