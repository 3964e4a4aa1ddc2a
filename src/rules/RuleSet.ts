import { purchaseIdProblem } from "../account/Identifier.ts"
import { jsonText } from "../protocol/JsonText.ts"
import { encodeRule, type Rule, ruleFromJson, RuleProblem } from "./Rule.ts"
import { WrittenNumber } from "./WrittenNumber.ts"

/** The most rules of one user, and the most rules of one user that are about all users. */
export const rulesOfUserMax = 100
export const rulesOnAllOfUserMax = 10
/** The most rules of all users together. */
export const rulesMax = 1_000_000

const version = 1

/** A rule with its id, number and version: a line of the value of the key `rules.<user>`. */
export interface StoredRule {
  readonly ruleId: string
  /**
   * The number of the rule: the sequence of the first value of the key that had the rule. No two rules have the same
   * number, and the alerts of a purchase are in the order of the numbers of their rules. The number of a rule is 0
   * until the change that adds the rule is stored.
   */
  readonly number: number
  /** The value of `changes` of the set at the last change of the rule. */
  readonly version: number
  readonly rule: Rule
}

/** All rules of one user, as one value of the key `rules.<user>`. The rules are in the order of their numbers. */
export interface RuleSet {
  /**
   * Counts the changes of the set of rules. The number of changes never falls, so no two versions of a rule are equal.
   */
  readonly changes: number
  readonly rules: ReadonlyArray<StoredRule>
}

export const emptyRuleSet: RuleSet = { changes: 0, rules: [] }

export const ruleOf = (set: RuleSet, ruleId: string): StoredRule | undefined =>
  set.rules.find((stored) => stored.ruleId === ruleId)

/** The reason why a set of rules takes no further rule, as a sentence for people. */
export class RulesFull {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/**
 * Returns why a text in normalization form C cannot be a rule id; `undefined` if the text can be a rule id. The same
 * conditions apply to rule ids and purchase ids.
 */
export const ruleIdProblem = purchaseIdProblem

const fullBy = (rules: ReadonlyArray<StoredRule>, rulesInAll: number, isNew: boolean): RulesFull | undefined => {
  if (rules.length > rulesOfUserMax) {
    return new RulesFull(`A user has at most ${rulesOfUserMax} rules: remove one first.`)
  }
  const onAll = rules.filter(({ rule }) => rule.who === "all").length
  if (onAll > rulesOnAllOfUserMax) {
    return new RulesFull(`A user has at most ${rulesOnAllOfUserMax} rules about all users: remove one first.`)
  }
  return isNew && rulesInAll >= rulesMax
    ? new RulesFull(`All users together have at most ${rulesMax} rules, and have ${rulesInAll}.`)
    : undefined
}

const refuseUnstored = (set: RuleSet): void => {
  if (set.rules.some(({ number }) => number === 0)) {
    throw new Error(
      "A change has to be stored before the next one: the sequence of its value is the number of its rule."
    )
  }
}

/**
 * Adds a rule with an id to a set, or replaces the rule with the same id. Returns the given set itself if the set has
 * an equal rule under the id. `rulesInAll` is the last known number of rules of all users.
 */
export const putRule = (set: RuleSet, ruleId: string, rule: Rule, rulesInAll: number): RuleSet | RulesFull => {
  refuseUnstored(set)
  const before = ruleOf(set, ruleId)
  if (before !== undefined && encodeRule(before.rule) === encodeRule(rule)) return set
  const changes = set.changes + 1
  const put = { ruleId, number: before?.number ?? 0, version: changes, rule }
  const rules =
    before === undefined ? [...set.rules, put] : set.rules.map((stored) => (stored === before ? put : stored))
  const isWider = before === undefined || (before.rule.who === "self" && rule.who === "all")
  return (isWider ? fullBy(rules, rulesInAll, before === undefined) : undefined) ?? { changes, rules }
}

/** Removes a rule. Returns `undefined` if the set has no rule with the id. */
export const removeRule = (set: RuleSet, ruleId: string): RuleSet | undefined => {
  refuseUnstored(set)
  const rules = set.rules.filter((stored) => stored.ruleId !== ruleId)
  return rules.length === set.rules.length ? undefined : { changes: set.changes + 1, rules }
}

/**
 * Switches a rule on or off. Returns `undefined` if the set has no rule with the id. Returns the given set itself if
 * the rule is already in the wanted state.
 */
export const enableRule = (set: RuleSet, ruleId: string, enabled: boolean): RuleSet | undefined => {
  const stored = ruleOf(set, ruleId)
  if (stored === undefined) return undefined
  const changed = putRule(set, ruleId, { ...stored.rule, enabled }, 0)
  // The set has the rule already, so the change does not make the set larger, and `RulesFull` cannot happen.
  return changed instanceof RulesFull ? undefined : changed
}

const lineOf = ({ ruleId, number, version, rule }: StoredRule): string =>
  `[${jsonText(ruleId)},${number},${version},${encodeRule(rule)}]\n`

/**
 * Writes a set of rules as text. The first line is JSON with the version of the format and the number of changes. Each
 * further line is one rule as JSON. JSON escapes line feeds in texts.
 */
export const encodeRuleSet = ({ changes, rules }: RuleSet): string =>
  `${JSON.stringify({ v: version, changes })}\n${rules.map(lineOf).join("")}`

/** The error for a stored text that is not a set of rules. */
export class MalformedRuleSet extends Error {}

const integerOf = (value: unknown): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new MalformedRuleSet("A number of a set of rules is not whole.")
}

const ruleLine = /^\["(?:[^"\\]|\\.)*",([0-9]+),([0-9]+),/

/**
 * Returns the number, the version and the text of the rule in a line of a set of rules, without decoding the rule. The
 * number of a line that is not a rule is 0, and its text is the whole line.
 */
export const splitRuleLine = (
  line: string
): { readonly number: number; readonly version: number; readonly text: string } => {
  const [head = "", number = "0", version = "0"] = ruleLine.exec(line) ?? []
  return { number: Number(number), version: Number(version), text: line.slice(head.length) }
}

// JSON escapes quotation marks in texts, so this pattern matches only the field `threshold` itself.
const thresholdText = /,"threshold":([0-9.]+),/

/**
 * Decodes a line of a set of rules to a rule. `sequence` is the sequence of the stored set of rules that has the line.
 * Throws {@link MalformedRuleSet} if the line is not a rule.
 */
export const decodeStoredRule = (line: string, sequence: number): StoredRule => {
  const value: unknown = JSON.parse(line)
  if (!Array.isArray(value) || value.length !== 4 || typeof value[0] !== "string") {
    throw new MalformedRuleSet("A line of a set of rules is not an id, a number, a version and a rule.")
  }
  const [ruleId, number, version, written] = value as [string, unknown, unknown, object | null]
  // Only the threshold keeps its text, because a decoder that keeps the text of each number takes several times as
  // long. A judgement begins with up to a million rules.
  const threshold = thresholdText.exec(line)?.[1]
  const rule = ruleFromJson(threshold === undefined ? written : { ...written, threshold: new WrittenNumber(threshold) })
  if (rule instanceof RuleProblem) throw new MalformedRuleSet(`The rule ${ruleId} cannot be read. ${rule.message}`)
  return { ruleId, number: integerOf(number) || sequence, version: integerOf(version), rule }
}

const changesOf = (headLine: string): number => {
  const head = JSON.parse(headLine) as { readonly v?: unknown; readonly changes?: unknown } | null
  if (integerOf(head?.v) !== version) throw new MalformedRuleSet("The set of rules has an unknown version.")
  return integerOf(head?.changes)
}

const splitSet = (text: string): { readonly changes: number; readonly lines: Array<string> } => {
  const lines = text.split("\n")
  if (lines.pop() !== "") throw new MalformedRuleSet("The set of rules breaks off.")
  return { changes: changesOf(lines.shift() ?? ""), lines }
}

/**
 * Returns the lines of the rules in a value of a key `rules.<user>`. Throws {@link MalformedRuleSet} if the value is
 * not a set of rules.
 */
export const ruleLinesOf = (text: string): Array<string> => (text === "" ? [] : splitSet(text).lines)

/**
 * Decodes the value of a key `rules.<user>` at a sequence of the journal. The new rule in the value gets the sequence
 * as its number. An empty value, which `nats kv del` writes, has no rules. After an empty value, `changes` is the
 * sequence of the empty value. The sequence of a value is higher than all earlier numbers of changes, so later versions
 * of rules differ from all earlier versions. Throws {@link MalformedRuleSet} or a SyntaxError if the text is not a set
 * of rules.
 */
export const decodeRuleSet = (text: string, sequence: number): RuleSet => {
  if (text === "") return { changes: sequence, rules: [] }
  const { changes, lines } = splitSet(text)
  return { changes, rules: lines.map((line) => decodeStoredRule(line, sequence)) }
}
