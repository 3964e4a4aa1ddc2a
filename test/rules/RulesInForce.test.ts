import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Rule } from "../../src/rules/Rule.ts"
import { decodeRuleSet, encodeRuleSet, type RuleSet, type StoredRule } from "../../src/rules/RuleSet.ts"
import { RulesInForce } from "../../src/rules/RulesInForce.ts"
import { anyRule } from "./AnyRule.ts"

const ruleIds = fc.constantFrom("a", "b", "c", 'e "f"\n["g"', "Ünï", "[1,2,")
const anyChange = fc.record({
  owner: fc.constantFrom("ann", "bob"),
  ruleId: ruleIds,
  rule: fc.option(anyRule, { nil: undefined })
})

/** Returns a set of rules with another rule under an id, or without a rule under the id. */
const changed = ({ changes, rules }: RuleSet, ruleId: string, rule: Rule | undefined): RuleSet => {
  const before = rules.find((stored) => stored.ruleId === ruleId)
  const others = rules.filter((stored) => stored.ruleId !== ruleId)
  const put = rule && { ruleId, number: before?.number ?? 0, version: changes + 1, rule }
  return { changes: changes + 1, rules: put === undefined ? others : [...others, put] }
}

/** Returns all rules that are in force, each with its owner, in a fixed order. */
const inForce = (rules: RulesInForce, slots: number): ReadonlyArray<readonly [string, StoredRule]> =>
  Array.from({ length: slots }, (_, slot) => slot)
    .filter((slot) => (rules.ownerOf(slot) ?? "") !== "")
    .map((slot) => [rules.ownerOf(slot), rules.storedRule(slot)] as const)
    .toSorted(([, one], [, other]) => one.number - other.number || one.version - other.version)

const ruleOf = (rule: Partial<Rule>): Rule => ({ ...(fc.sample(anyRule, { numRuns: 1, seed: 5 })[0] as Rule), ...rule })
const valueOf = (rules: ReadonlyArray<StoredRule>): string => encodeRuleSet({ changes: 9, rules })

describe("the rules in force", () => {
  it("the rules in force are those of the newest values, with each field as it was stored", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 40, size: "max" }), (changes) => {
        const rules = new RulesInForce()
        const sets = new Map<string, RuleSet>()
        for (const [index, { owner, ruleId, rule }] of changes.entries()) {
          const sequence = 10 + index
          const text = encodeRuleSet(changed(sets.get(owner) ?? { changes: 0, rules: [] }, ruleId, rule))
          sets.set(owner, decodeRuleSet(text, sequence))
          rules.replace(owner, sequence, text)
        }
        const wanted = [...sets].flatMap(([owner, { rules }]) =>
          rules.filter(({ rule }) => rule.enabled).map((stored) => [owner, stored] as const)
        )
        const byNumber = wanted.toSorted(([, one], [, other]) => one.number - other.number)
        expect(inForce(rules, changes.length)).toEqual(byNumber)
        expect(rules.index.size).toBe(wanted.length)
      }),
      { numRuns: 300 }
    )
  })

  it("a rule that did not change keeps its slot, also when its number replaces the 0 of its first value", () => {
    const rules = new RulesInForce()
    const stored = { ruleId: "a", number: 0, version: 1, rule: ruleOf({ enabled: true }) }
    rules.replace("ann", 7, valueOf([stored]))
    rules.replace(
      "ann",
      8,
      valueOf([
        { ...stored, ruleId: "b", version: 2 },
        { ...stored, number: 7 }
      ])
    )
    expect([rules.storedRule(0).ruleId, rules.storedRule(1).ruleId]).toEqual(["a", "b"])
    expect(rules.numberOf(1)).toBe(8)
  })

  it("a rule that was written by hand under the same number and version replaces the rule before", () => {
    const rules = new RulesInForce()
    const stored = { ruleId: "a", number: 7, version: 1, rule: ruleOf({ enabled: true, threshold: 5n }) }
    rules.replace("ann", 8, valueOf([stored]))
    rules.replace("ann", 9, valueOf([{ ...stored, rule: ruleOf({ enabled: true, threshold: 6n }) }]))
    expect(inForce(rules, 2).map(([, { rule }]) => rule.threshold)).toEqual([6n])
  })

  it("two lines with the same number and version are two rules, and are removed as two rules", () => {
    const rules = new RulesInForce()
    const stored = { ruleId: "a", number: 7, version: 1, rule: ruleOf({ enabled: true }) }
    rules.replace("ann", 8, valueOf([stored, stored]))
    rules.replace("ann", 9, valueOf([stored, stored]))
    expect(rules.index.size).toBe(2)
    rules.replace("ann", 10, valueOf([]))
    expect(rules.index.size).toBe(0)
  })
})
