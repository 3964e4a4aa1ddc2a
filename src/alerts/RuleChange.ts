import { Schema } from "effect"
import type { Rule } from "../rules/Rule.ts"
import { putRule, removeRule, ruleOf, type RuleSet, RulesFull } from "../rules/RuleSet.ts"

/** The versions of a rule that a caller has seen. `any` stands for every version. */
export type SeenVersions = "any" | ReadonlyArray<number>

/** The conditions under which a rule is changed. If `has` and `hasNot` are missing, the change has no condition. */
export interface Precondition {
  /**
   * The change is made only if the version of the rule is in `has`. If `has` is `any`, the change is made only if the
   * rule exists.
   */
  readonly has?: SeenVersions | undefined
  /**
   * The change is made only if the version of the rule is not in `hasNot`. If `hasNot` is `any`, the change is made
   * only if the rule does not exist.
   */
  readonly hasNot?: SeenVersions | undefined
}

/**
 * Refuses a change, because the rule has another version than the caller asked for. A refused change leaves the rule as
 * it was.
 */
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

/** Refuses a new rule, because the bound on the number of rules is reached. A refused rule is not stored. */
export class NoRoomForRule extends Schema.TaggedError<NoRoomForRule>()("NoRoomForRule", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** Refuses a change, because the user has no rule with this id. */
export class RuleMissing extends Schema.TaggedError<RuleMissing>()("RuleMissing", { ruleId: Schema.String }) {
  override get message() {
    return `there is no rule ${this.ruleId}`
  }
}

/**
 * Fails a change, because other changes of the user's rules came first at every attempt. The same change of rules may
 * succeed later.
 */
export class RulesBusy extends Schema.TaggedError<RulesBusy>()("RulesBusy", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** The reasons why the newest rules do not allow a change. */
export type RuleRefusal = OtherVersion | NoRoomForRule | RuleMissing

const includes = (seen: SeenVersions, version: number | undefined): boolean =>
  version !== undefined && (seen === "any" || seen.includes(version))

/**
 * Returns the reason why a change of the rule is refused under a condition. Returns `undefined` if the condition holds.
 */
const refusalBy = ({ has, hasNot }: Precondition, set: RuleSet, ruleId: string): OtherVersion | undefined => {
  const version = ruleOf(set, ruleId)?.version
  const isMet = (has === undefined || includes(has, version)) && (hasNot === undefined || !includes(hasNot, version))
  return isMet ? undefined : new OtherVersion({ ruleId, version })
}

/**
 * Returns whether this change may repeat a change whose answer the caller did not receive. The result is `true` if the
 * rule already is as the caller wants, and is newer than a version that the caller has seen.
 */
const isOwnRepeat = ({ has, hasNot }: Precondition, changed: RuleSet, set: RuleSet, version = 0): boolean =>
  hasNot === undefined && changed === set && Array.isArray(has) && has.some((seen) => seen < version)

/**
 * Returns the set of rules with the rule under the id, or the reason why the rule is refused. Returns the given set
 * itself if the set has the rule already. `rulesInAll` is the number of rules of all users, as far as the caller knows.
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

/** Returns the set of rules without the rule, or the reason why the rule is not removed. */
export const changeByRemove = (
  set: RuleSet,
  ruleId: string,
  condition: Precondition
): RuleSet | OtherVersion | RuleMissing =>
  ruleOf(set, ruleId) === undefined
    ? new RuleMissing({ ruleId })
    : (refusalBy(condition, set, ruleId) ?? removeRule(set, ruleId) ?? new RuleMissing({ ruleId }))
