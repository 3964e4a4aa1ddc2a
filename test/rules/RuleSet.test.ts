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

/** The rules that a set of rules has to have, kept in a plain map. */
interface Expected {
  readonly number: number
  readonly version: number
  readonly rule: Rule
}

/** Encodes a set of rules, and decodes the text as a value that was stored at a sequence. */
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
  it("a set has the same rules as a plain map after any changes, and gives no version or number twice", () => {
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

  it("a set does not change if a rule is put again, or is switched to the state that it has", () => {
    const set = put(emptyRuleSet, "a", onSelf, 5)
    expect(putRule(set, "a", { ...onSelf }, 0)).toBe(set)
    expect(enableRule(set, "a", onSelf.enabled)).toBe(set)
    expect(ruleOf(put(set, "a", second, 6), "a")).toEqual({ ruleId: "a", number: 5, version: 2, rule: second })
  })

  it("a set returns undefined for the removal or switching of a rule with an unknown id", () => {
    expect(removeRule(emptyRuleSet, "a")).toBe(undefined)
    expect(enableRule(emptyRuleSet, "a", true)).toBe(undefined)
  })

  it("a set without rules keeps its count of changes, and a rule that is put again has a new number", () => {
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

  it("a set takes 100 rules and refuses the next rule, but takes changes of its rules", () => {
    const set = filled(onSelf, rulesOfUserMax)
    expect(putRule(set, "one more", onSelf, 0)).toEqual(
      new RulesFull("A user has at most 100 rules: remove one first.")
    )
    expect(
      ruleOf(put(set, "rule 7", second.who === "self" ? second : { ...second, who: "self" }, 200), "rule 7")?.number
    ).toBe(7)
  })

  it("a set refuses an eleventh rule about all users, even if it replaces a rule about the owner", () => {
    const set = put(filled(onAll, rulesOnAllOfUserMax), "own", onSelf, 50)
    const full = new RulesFull("A user has at most 10 rules about all users: remove one first.")
    expect(putRule(set, "one more", onAll, 0)).toEqual(full)
    expect(putRule(set, "own", onAll, 0)).toEqual(full)
  })

  it("a set takes no new rule when all users together have a million rules, but takes changes of its rules", () => {
    const set = put(emptyRuleSet, "a", onSelf, 5)
    expect(putRule(set, "b", onSelf, rulesMax)).toBeInstanceOf(RulesFull)
    expect(putRule(set, "b", onSelf, rulesMax - 1)).not.toBeInstanceOf(RulesFull)
    expect(putRule(set, "a", onAll, rulesMax)).not.toBeInstanceOf(RulesFull)
  })

  it("a set takes a second change only after the first change is stored, because a new rule needs its number", () => {
    const changed = putRule(emptyRuleSet, "a", onSelf, 0) as RuleSet
    expect(() => putRule(changed, "b", onSelf, 0)).toThrow("has to be stored")
  })

  it.each(["{}", '{"v":1,"changes":1}', '{"v":2,"changes":1}\n', '{"v":1}\n', '{"v":1,"changes":1}\n["a",1]\n'])(
    "the text %j is refused as a set of rules",
    (text) => {
      expect(() => decodeRuleSet(text, 1)).toThrow(MalformedRuleSet)
    }
  )

  it("a text is accepted as the id of a rule exactly if it is accepted as a purchase id", () => {
    expect([ruleIdProblem("laptop 900"), ruleIdProblem("a/b")]).toEqual([undefined, expect.stringContaining("/")])
  })
})
