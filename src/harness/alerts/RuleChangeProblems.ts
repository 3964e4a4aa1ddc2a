import { decodeToken, rulesPrefix } from "../../protocol/Subject.ts"
import { encodeRule, type Rule } from "../../rules/Rule.ts"
import { decodeRuleSet, ruleOf, type RuleSet } from "../../rules/RuleSet.ts"
import type { Problem } from "../Invariant.ts"
import type { CheckedRecord } from "./AlertCheck.ts"

/**
 * A change of a rule that a client sent. No two changes of one rule are under way at once. The outcome `fail` means that
 * surely nothing was changed. `info` means that the client does not know.
 */
export interface SentChange {
  readonly owner: string
  readonly ruleId: string
  /** The rule that was put; `undefined` if it was removed. */
  readonly rule: Rule | undefined
  outcome: "ok" | "fail" | "info"
  /** On the client's clock, in milliseconds. */
  answeredAt: number
  /** The sequence of the journal that the answer names; `undefined` if it names none. */
  sequence: number | undefined
}

/** A purchase that a client sent, with the sequence of its commit. */
export interface PlacedPurchase {
  readonly userId: string
  readonly purchaseId: string
  /** The time at which the purchase was sent first, on the client's clock, in milliseconds. */
  readonly sentAt: number
  readonly sequence: number
}

interface RulesValue {
  readonly sequence: number
  readonly set: RuleSet
}

const valuesOf = (journal: Iterable<CheckedRecord>): ReadonlyMap<string, ReadonlyArray<RulesValue>> => {
  const values = new Map<string, Array<RulesValue>>()
  for (const { subject, sequence, text } of journal) {
    if (!subject.startsWith(rulesPrefix)) continue
    const owner = decodeToken(subject.slice(rulesPrefix.length))
    const ofOwner = values.get(owner) ?? []
    values.set(owner, ofOwner)
    ofOwner.push({ sequence, set: decodeRuleSet(text, sequence) })
  }
  return values
}

const none = "none"
const contentOf = (rule: Rule | undefined): string => (rule === undefined ? none : encodeRule(rule))

const contentAt = ({ set }: RulesValue, ruleId: string): string => contentOf(ruleOf(set, ruleId)?.rule)

/** An answered change, with the changes between it and the next answered change whose outcome is unknown. */
interface AnsweredChange {
  readonly change: SentChange
  readonly unknownAfter: ReadonlyArray<SentChange>
  /** The sequence of the first value that the change stands in. */
  readonly from: number
}

/** Whether the value at a sequence was written by a change of this rule. */
const isWrittenBy = ({ ruleId, sequence }: SentChange, values: ReadonlyArray<RulesValue>): boolean => {
  const index = values.findIndex((value) => value.sequence === sequence)
  const [value, before] = [values[index], values[index - 1]]
  const versionIn = (of: RulesValue | undefined) => of && ruleOf(of.set, ruleId)?.version
  return value !== undefined && versionIn(value) !== versionIn(before)
}

/**
 * Returns the answered changes of a rule. The answer to a removal may name no sequence. Then it is that of the first
 * value without the rule behind the change before.
 */
const answeredOf = (
  ofRule: ReadonlyArray<SentChange>,
  values: ReadonlyArray<RulesValue>
): ReadonlyArray<AnsweredChange> => {
  const answered: Array<AnsweredChange> = []
  for (const [index, change] of ofRule.entries()) {
    if (change.outcome !== "ok") continue
    const before = answered.at(-1)?.from ?? 0
    const removed = values.find((value) => value.sequence > before && contentAt(value, change.ruleId) === none)
    const next = ofRule.findIndex(({ outcome }, at) => at > index && outcome === "ok")
    const after = ofRule.slice(index + 1, next < 0 ? undefined : next)
    const unknownAfter = after.filter(({ outcome }) => outcome === "info")
    answered.push({ change, unknownAfter, from: change.sequence ?? removed?.sequence ?? before })
  }
  return answered
}

/**
 * Checks that each answered change stands in the values of its owner until the next answered change of the same rule.
 * Changes with an unknown outcome may stand there instead. They may come later than they were sent, until another
 * change of the rule is stored.
 */
const lostChanges = (ofRule: ReadonlyArray<SentChange>, values: ReadonlyArray<RulesValue>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const answered = answeredOf(ofRule, values)
  let pending: ReadonlyArray<SentChange> = []
  for (const [at, { change, unknownAfter, from }] of answered.entries()) {
    if (isWrittenBy(change, values)) pending = []
    pending = [...pending, ...unknownAfter]
    const allowed = new Set([change, ...pending].map(({ rule }) => contentOf(rule)))
    const until = answered[at + 1]?.from ?? Number.POSITIVE_INFINITY
    const wrong = values.find(
      (value) => value.sequence >= from && value.sequence < until && !allowed.has(contentAt(value, change.ruleId))
    )
    if (wrong === undefined) continue
    const [found, wanted] = [contentAt(wrong, change.ruleId), contentOf(change.rule)]
    problems.push(
      `A5 change lost: ${change.owner}/${change.ruleId} is ${found} at ${wrong.sequence}, and was answered as ${wanted} at ${from}`
    )
  }
  return problems
}

/**
 * Compares changes of rules, in the order in which they were sent, with the values in the journal, and with the places
 * of purchases that were sent after the answers. Returns the problems.
 */
export const ruleChangeProblems = (
  journal: Iterable<CheckedRecord>,
  changes: ReadonlyArray<SentChange>,
  purchases: ReadonlyArray<PlacedPurchase>
): ReadonlyArray<Problem> => {
  const values = valuesOf(journal)
  const problems = Map.groupBy(changes, ({ owner, ruleId }) => `${owner}/${ruleId}`)
    .values()
    .flatMap((ofRule) => lostChanges(ofRule, values.get(ofRule[0]?.owner ?? "") ?? []))
    .toArray()
  const answered = changes.filter(({ outcome }) => outcome === "ok")
  for (const { userId, purchaseId, sentAt, sequence } of purchases) {
    const late = answered.find((change) => change.answeredAt < sentAt && (change.sequence ?? 0) > sequence)
    if (late === undefined) continue
    problems.push(
      `A5 change lost: ${userId}/${purchaseId} at ${sequence} was sent after the answer to ${late.owner}/${late.ruleId} at ${late.sequence}`
    )
  }
  return problems
}
