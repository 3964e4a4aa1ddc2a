import { decodeToken, rulesPrefix } from "../../protocol/Subject.ts"
import { encodeRule, type Rule } from "../../rules/Rule.ts"
import { decodeRuleSet, ruleOf, type RuleSet } from "../../rules/RuleSet.ts"
import type { Problem } from "../Invariant.ts"
import type { CheckedRecord } from "./AlertCheck.ts"

/**
 * A change of a rule that a client sent. Clients never send two changes of one rule at the same time. The outcome
 * `fail` means that the rule was surely not changed. The outcome `info` means that the client does not know whether the
 * rule was changed.
 */
export interface SentChange {
  readonly owner: string
  readonly ruleId: string
  /** The rule that the client put; `undefined` if the client removed the rule. */
  readonly rule: Rule | undefined
  outcome: "ok" | "fail" | "info"
  /** The time at which the client got the answer to the change, in milliseconds on the client's clock. */
  answeredAt: number
  /** The sequence of the journal in the answer; `undefined` if the answer has no sequence. */
  sequence: number | undefined
}

/** A purchase that a client sent, with the sequence of its commit. */
export interface PlacedPurchase {
  readonly userId: string
  readonly purchaseId: string
  /** The time at which the client first sent the purchase, in milliseconds on the client's clock. */
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

/**
 * An answered change of a rule, with later changes of the same rule whose outcome is unknown. The later changes were
 * sent before the next answered change of the rule.
 */
interface AnsweredChange {
  readonly change: SentChange
  readonly unknownAfter: ReadonlyArray<SentChange>
  /** The sequence of the first message with the owner's rules that has the change. */
  readonly from: number
}

/** Returns whether the message with the owner's rules at the sequence of a change has a new version of the rule. */
const isWrittenBy = ({ ruleId, sequence }: SentChange, values: ReadonlyArray<RulesValue>): boolean => {
  const index = values.findIndex((value) => value.sequence === sequence)
  const [value, before] = [values[index], values[index - 1]]
  const versionIn = (of: RulesValue | undefined) => of && ruleOf(of.set, ruleId)?.version
  return value !== undefined && versionIn(value) !== versionIn(before)
}

/**
 * Returns the answered changes of a rule. If the answer to a removal has no sequence, the change gets the sequence of
 * the first later message with the owner's rules that lacks the rule.
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
 * Checks that the stored rules of the owner have each answered change until the next answered change of the same rule.
 * The stored rules may have a change with an unknown outcome instead of the answered change. A change with an unknown
 * outcome may be stored late, until another change of the rule is stored.
 */
const lostChanges = (ofRule: ReadonlyArray<SentChange>, values: ReadonlyArray<RulesValue>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const answered = answeredOf(ofRule, values)
  let pending: ReadonlyArray<SentChange> = []
  for (const [at, { change, unknownAfter, from }] of answered.entries()) {
    // An answer with the sequence of the answer before it changed nothing.
    if (from !== answered[at - 1]?.from && isWrittenBy(change, values)) pending = []
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
 * Compares changes of rules, in the order in which they were sent, with the stored rules in the journal. Checks that
 * each purchase that was sent after the answer to a change is applied behind the change in the journal. Returns the
 * problems that were found.
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
