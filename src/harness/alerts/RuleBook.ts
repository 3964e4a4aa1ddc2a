import { encodeToken, rulesSubject } from "../../protocol/Subject.ts"
import { decodeRule, RuleProblem } from "../../rules/Rule.ts"
import {
  decodeRuleSet,
  emptyRuleSet,
  encodeRuleSet,
  putRule,
  removeRule,
  type RuleSet,
  RulesFull
} from "../../rules/RuleSet.ts"
import type { BrokerAdmin } from "../system/BrokerAdmin.ts"

/** Writes rules into the journal without an edge. A `RuleBook` has to be the only writer of the rules of its users. */
export class RuleBook {
  private readonly admin: Pick<BrokerAdmin, "publish">
  private readonly sets = new Map<string, RuleSet>()

  constructor(admin: Pick<BrokerAdmin, "publish">) {
    this.admin = admin
  }

  /**
   * Stores a rule that is given as the body of a request. Returns the sequence of the journal's message with the
   * changed rules.
   */
  async put(owner: string, ruleId: string, text: object): Promise<number> {
    const rule = decodeRule(JSON.stringify(text))
    if (rule instanceof RuleProblem) throw new Error(rule.message)
    const changed = putRule(this.setOf(owner), ruleId, rule, 0)
    if (changed instanceof RulesFull) throw new Error(changed.message)
    return this.write(owner, changed)
  }

  /** Removes a rule. Returns the sequence of the journal's message with the changed rules. */
  async remove(owner: string, ruleId: string): Promise<number> {
    return this.write(owner, removeRule(this.setOf(owner), ruleId) ?? this.setOf(owner))
  }

  private setOf(owner: string): RuleSet {
    return this.sets.get(owner) ?? emptyRuleSet
  }

  private async write(owner: string, set: RuleSet): Promise<number> {
    const text = encodeRuleSet(set)
    const sequence = await this.admin.publish(rulesSubject(encodeToken(owner)), text)
    this.sets.set(owner, decodeRuleSet(text, sequence))
    return sequence
  }
}
