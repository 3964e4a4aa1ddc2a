import { Schema } from "effect"
import type { Rule } from "../rules/Rule.ts"
import { putRule, removeRule, ruleOf, type RuleSet, RulesFull } from "../rules/RuleSet.ts"

/** The versions that a caller has seen. A change is made only if the rule has one of them. */
export type SeenVersions = "any" | ReadonlyArray<number>

/** The conditions of a change. Without a member there is no condition. */
export interface Precondition {
  /** The rule has to have one of these versions. With `any` it has to exist. */
  readonly has?: SeenVersions | undefined
  /** The rule must not have one of these versions. With `any` it must not exist. */
  readonly hasNot?: SeenVersions | undefined
}

/** The rule has another version than the caller asked for. Nothing was changed. */
export class OtherVersion extends Schema.TaggedError<OtherVersion>()("OtherVersion", {
  ruleId: Schema.String,
  /** The version of the rule; `undefined` if the user has no rule of this id. */
  version: Schema.optional(Schema.Number)
}) {
  override get message() {
    return this.version === undefined
      ? `there is no rule ${this.ruleId}`
      : `the rule ${this.ruleId} has the version ${this.version}`
  }
}

/** There is no room for the rule. Nothing was changed. */
export class NoRoomForRule extends Schema.TaggedError<NoRoomForRule>()("NoRoomForRule", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** The user has no rule of this id. Nothing was changed. */
export class RuleMissing extends Schema.TaggedError<RuleMissing>()("RuleMissing", { ruleId: Schema.String }) {
  override get message() {
    return `there is no rule ${this.ruleId}`
  }
}

/** Other changes of rules came first, again and again. Nothing was changed, and the same change later may succeed. */
export class RulesBusy extends Schema.TaggedError<RulesBusy>()("RulesBusy", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** The reasons why the newest rules do not allow a change. */
export type RuleRefusal = OtherVersion | NoRoomForRule | RuleMissing

const includes = (seen: SeenVersions, version: number | undefined): boolean =>
  version !== undefined && (seen === "any" || seen.includes(version))

/** Returns why a change of the rule may not be made under a condition, or `undefined` if the condition holds. */
const refusalBy = ({ has, hasNot }: Precondition, set: RuleSet, ruleId: string): OtherVersion | undefined => {
  const version = ruleOf(set, ruleId)?.version
  const isMet = (has === undefined || includes(has, version)) && (hasNot === undefined || !includes(hasNot, version))
  return isMet ? undefined : new OtherVersion({ ruleId, version })
}

/**
 * Returns whether the caller may have made this change itself, and lost the answer: the rule is as it shall be, and is
 * newer than a version that the caller has seen.
 */
const isOwnRepeat = ({ has, hasNot }: Precondition, changed: RuleSet, set: RuleSet, version = 0): boolean =>
  hasNot === undefined && changed === set && Array.isArray(has) && has.some((seen) => seen < version)

/**
 * Returns the set with the rule under the id, or why the rule is refused. Returns the same set if the set has the rule
 * already. `rulesInAll` is the number of rules of all users, as far as the caller knows.
 */
export const changeByPut = (
  set: RuleSet,
  ruleId: string,
  rule: Rule,
  condition: Precondition,
  rulesInAll: number
): RuleSet | OtherVersion | NoRoomForRule => {
  const refusal = refusalBy(condition, set, ruleId)
  const changed = putRule(set, ruleId, rule, rulesInAll)
  if (changed instanceof RulesFull) return refusal ?? new NoRoomForRule({ reason: changed.message })
  if (refusal === undefined || isOwnRepeat(condition, changed, set, refusal.version)) return changed
  return refusal
}

/** Returns the set without the rule, or why the rule is not removed. */
export const changeByRemove = (
  set: RuleSet,
  ruleId: string,
  condition: Precondition
): RuleSet | OtherVersion | RuleMissing =>
  ruleOf(set, ruleId) === undefined
    ? new RuleMissing({ ruleId })
    : (refusalBy(condition, set, ruleId) ?? removeRule(set, ruleId) ?? new RuleMissing({ ruleId }))
