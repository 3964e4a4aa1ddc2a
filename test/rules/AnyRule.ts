import * as fc from "fast-check"
import { type Rule, numberMax } from "../../src/rules/Rule.ts"
import { ever, lengthsOnAll, readLength, type RuleWindow } from "../../src/rules/RuleWindow.ts"

const lengths = fc.integer({ min: 60, max: 31 * 86_400 }).map((seconds) => seconds * 1_000)
const windows: fc.Arbitrary<RuleWindow> = fc.oneof(
  fc.constant(ever),
  lengths.map((milliseconds) => ({ kind: "length" as const, milliseconds })),
  fc.record({
    kind: fc.constant("calendar" as const),
    by: fc.constantFrom("hour", "day", "month"),
    timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
  })
)
/** Returns a window that a rule about all users may have, in place of a window of any length. */
const ofAll = (window: RuleWindow): RuleWindow => {
  if (window.kind !== "length") return window
  const allowed = lengthsOnAll[Math.floor(window.milliseconds / 1_000) % lengthsOnAll.length] ?? ""
  return { kind: "length", milliseconds: readLength(allowed) ?? 0 }
}
/** Texts that are valid names of products. */
export const anyName = fc.constantFrom("Laptop", "Mouse", "Ünï çode", 'a "b" \\ c', "電子", "👩‍🚀", "x".repeat(200))
const scopes = fc.oneof(
  fc.constant({ kind: "everything" as const }),
  fc.record({ kind: fc.constantFrom("product" as const, "productType" as const), name: anyName })
)
const moments = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined })

/** Random rules of every kind. */
export const anyRule: fc.Arbitrary<Rule> = fc
  .record({
    who: fc.constantFrom("self" as const, "all" as const),
    scope: scopes,
    measure: fc.constantFrom("value" as const, "quantity", "total", "spent", "count"),
    within: windows,
    is: fc.constantFrom("equal" as const, "greater-or-equal", "less-or-equal", "crosses"),
    threshold: fc.oneof(
      fc.bigInt({ min: 1n, max: 100_000n }),
      fc.bigInt({ min: 1n, max: numberMax }),
      fc.constantFrom(1n, numberMax)
    ),
    moments: fc.tuple(moments, moments),
    enabled: fc.boolean(),
    note: fc.oneof(fc.constant(""), anyName)
  })
  .map(({ moments: [one, other], ...rule }) => {
    const isRunning = rule.measure === "spent" || rule.measure === "count"
    const isOrdered = one === undefined || other === undefined || one < other
    return {
      ...rule,
      within: isRunning ? (rule.who === "all" ? ofAll(rule.within) : rule.within) : ever,
      is: !isRunning && rule.is === "crosses" ? ("equal" as const) : rule.is,
      from: one,
      until: isOrdered ? other : undefined
    }
  })
