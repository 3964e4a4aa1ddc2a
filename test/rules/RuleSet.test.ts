import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Rule } from "../../src/rules/Rule.ts"
import {
  decodeRuleSet,
  emptyRuleSet,
  enableRule,
  encodeRuleSet,
  MalformedRuleSet,
  putRule,
  removeRule,
  ruleIdProblem,
  ruleOf,
  type RuleSet,
  RulesFull,
  rulesMax,
  rulesOfUserMax,
  rulesOnAllOfUserMax
} from "../../src/rules/RuleSet.ts"
import { anyRule } from "./AnyRule.ts"

const ruleIds = fc.constantFrom("a", "b", "c", "d", 'e "f"\n["g"', "Ünï")
const commands = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("put" as const), ruleId: ruleIds, rule: anyRule }),
    fc.record({ kind: fc.constant("remove" as const), ruleId: ruleIds }),
    fc.record({ kind: fc.constant("enable" as const), ruleId: ruleIds, enabled: fc.boolean() })
  ),
  { maxLength: 60, size: "max" }
)

/** What a set has to hold, kept in the plainest way. */
interface Expected {
  readonly number: number
  readonly version: number
  readonly rule: Rule
}

/** Stores a set as the ledger does, at a sequence, and reads it. */
const stored = (set: RuleSet, sequence: number): RuleSet => decodeRuleSet(encodeRuleSet(set), sequence)

const put = (set: RuleSet, ruleId: string, rule: Rule, sequence: number): RuleSet => {
  const changed = putRule(set, ruleId, rule, 0)
  if (changed instanceof RulesFull) throw new Error(changed.message)
  return stored(changed, sequence)
}

const [first, second] = fc.sample(anyRule, { numRuns: 2, seed: 7 }) as [Rule, Rule]
const onSelf: Rule = { ...first, who: "self" }
const onAll: Rule = { ...first, who: "all" }

const filled = (rule: Rule, count: number): RuleSet => {
  let set = emptyRuleSet
  for (let number = 1; number <= count; number += 1) set = put(set, `rule ${number}`, rule, number)
  return set
}

describe("a set of rules", () => {
  it("has the same rules as a plain map after any changes, and gives no version or number twice", () => {
    fc.assert(
      fc.property(commands, (commands) => {
        let set = emptyRuleSet
        const expected = new Map<string, Expected>()
        const versions: Array<number> = []
        for (const [index, command] of commands.entries()) {
          const sequence = 10 * (index + 1)
          const { ruleId } = command
          const before = expected.get(ruleId)
          const changed =
            command.kind === "put"
              ? putRule(set, ruleId, command.rule, 0)
              : command.kind === "remove"
                ? removeRule(set, ruleId)
                : enableRule(set, ruleId, command.enabled)
          if (changed instanceof RulesFull) throw new Error(changed.message)
          if (changed === undefined || changed === set) continue
          versions.push(changed.changes)
          set = stored(changed, sequence)
          if (command.kind === "remove") expected.delete(ruleId)
          else {
            const rule =
              command.kind === "put" ? command.rule : { ...(before as Expected).rule, enabled: command.enabled }
            expected.set(ruleId, { number: before?.number ?? sequence, version: set.changes, rule })
          }
          expect(new Map(set.rules.map(({ ruleId, ...rest }) => [ruleId, rest]))).toEqual(expected)
        }
        expect(new Set(versions).size).toBe(versions.length)
        const numbers = set.rules.map(({ number }) => number)
        expect(numbers).toEqual([...new Set(numbers)].toSorted((one, other) => one - other))
      }),
      { numRuns: 300 }
    )
  })

  it("does not change if a rule is put again, or switched to the state that it has", () => {
    const set = put(emptyRuleSet, "a", onSelf, 5)
    expect(putRule(set, "a", { ...onSelf }, 0)).toBe(set)
    expect(enableRule(set, "a", onSelf.enabled)).toBe(set)
    expect(ruleOf(put(set, "a", second, 6), "a")).toEqual({ ruleId: "a", number: 5, version: 2, rule: second })
  })

  it("has nothing to remove or to switch under an unknown id", () => {
    expect(removeRule(emptyRuleSet, "a")).toBe(undefined)
    expect(enableRule(emptyRuleSet, "a", true)).toBe(undefined)
  })

  it("keeps its counter without rules, and gives a rule that returns a new number and version", () => {
    const emptied = stored(removeRule(put(emptyRuleSet, "a", onSelf, 5), "a") as RuleSet, 6)
    expect(emptied).toEqual({ changes: 2, rules: [] })
    expect(put(emptied, "a", onSelf, 7).rules).toEqual([{ ruleId: "a", number: 7, version: 3, rule: onSelf }])
  })

  it("an empty value, as nats kv del writes it, has no rules, and later rules have new versions and numbers", () => {
    const rule = fc.sample(anyRule, 1)[0] as Rule
    const removed = decodeRuleSet("", 7)
    expect(removed.rules).toEqual([])
    const put = putRule(removed, "a", rule, 0)
    if (put instanceof RulesFull) throw put
    expect(ruleOf(stored(put, 8), "a")).toEqual({ ruleId: "a", number: 8, version: 8, rule })
  })

  it("takes 100 rules and refuses the next rule, but takes a change of a rule that it has", () => {
    const set = filled(onSelf, rulesOfUserMax)
    expect(putRule(set, "one more", onSelf, 0)).toEqual(
      new RulesFull("A user has at most 100 rules: remove one first.")
    )
    expect(
      ruleOf(put(set, "rule 7", second.who === "self" ? second : { ...second, who: "self" }, 200), "rule 7")?.number
    ).toBe(7)
  })

  it("refuses an eleventh rule about all users, also if it replaces a rule about the owner", () => {
    const set = put(filled(onAll, rulesOnAllOfUserMax), "own", onSelf, 50)
    const full = new RulesFull("A user has at most 10 rules about all users: remove one first.")
    expect(putRule(set, "one more", onAll, 0)).toEqual(full)
    expect(putRule(set, "own", onAll, 0)).toEqual(full)
  })

  it("takes no new rule when all users together have a million, but takes changes", () => {
    const set = put(emptyRuleSet, "a", onSelf, 5)
    expect(putRule(set, "b", onSelf, rulesMax)).toBeInstanceOf(RulesFull)
    expect(putRule(set, "b", onSelf, rulesMax - 1)).not.toBeInstanceOf(RulesFull)
    expect(putRule(set, "a", onAll, rulesMax)).not.toBeInstanceOf(RulesFull)
  })

  it("takes no second change before the first is stored, because each change uses one number", () => {
    const changed = putRule(emptyRuleSet, "a", onSelf, 0) as RuleSet
    expect(() => putRule(changed, "b", onSelf, 0)).toThrow("has to be stored")
  })

  it.each(["{}", '{"v":1,"changes":1}', '{"v":2,"changes":1}\n', '{"v":1}\n', '{"v":1,"changes":1}\n["a",1]\n'])(
    "is not read from %j",
    (text) => {
      expect(() => decodeRuleSet(text, 1)).toThrow(MalformedRuleSet)
    }
  )

  it("accepts the same texts for ids of rules as for ids of purchases", () => {
    expect([ruleIdProblem("laptop 900"), ruleIdProblem("a/b")]).toEqual([undefined, expect.stringContaining("/")])
  })
})
