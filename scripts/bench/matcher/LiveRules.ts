import { IntegerList } from "../../../src/rules/IntegerList.ts"
import type { Comparison } from "../../../src/rules/Rule.ts"
import { type IndexedRule, RuleIndex } from "../../../src/rules/RuleIndex.ts"
import { ever } from "../../../src/rules/RuleWindow.ts"
import { atMost, equal, type EventObject, isMet, type RuleColumns, symbolNames } from "./MatcherData.ts"

const codes: ReadonlyArray<Comparison> = ["equal", "less-or-equal", "greater-or-equal"]
const products = symbolNames.map((name) => ({ kind: "product" as const, name }))
/** The user of all events, who has no rules, and the type of all events, which no rule names. */
const userId = "somebody"
const productType = "Stock"

const indexedRule = ({ symbols, comparisons, thresholds }: RuleColumns, rule: number): IndexedRule => ({
  owner: userId,
  who: "all",
  scope: products[symbols[rule] as number] as IndexedRule["scope"],
  measure: "value",
  within: ever,
  is: codes[comparisons[rule] as number] as Comparison,
  threshold: BigInt(thresholds[rule] as number)
})

/**
 * Keeps the rules of a matcher in the `RuleIndex` of the service. Rules are added and removed while events are matched.
 */
export class LiveRules {
  private readonly index = new RuleIndex()
  private readonly rules: RuleColumns
  /** The slots of the rules in the index. `rules` has the rule of each slot. */
  private readonly slots: Array<number> = []
  private readonly inForce: Array<number> = []
  private readonly groups = new IntegerList()
  private readonly found = new IntegerList()
  private prepared: Array<IndexedRule> = []

  constructor(rules: RuleColumns, size: number) {
    this.rules = rules
    for (let rule = 0; rule < size; rule += 1) {
      this.slots.push(this.index.add(indexedRule(rules, rule)))
      this.inForce.push(rule)
    }
  }

  /** Makes the objects of further rules before the measurement, in the form in which a decoder returns rules. */
  prepare(from: number, to: number): void {
    this.prepared = []
    for (let rule = from; rule < to; rule += 1) this.prepared[rule] = indexedRule(this.rules, rule)
  }

  /**
   * Adds a prepared rule to the index. Returns the time of the addition in nanoseconds, which includes the reading of
   * the clock.
   */
  add(rule: number): number {
    const indexed = this.prepared[rule] as IndexedRule
    const began = process.hrtime.bigint()
    const slot = this.index.add(indexed)
    const nanoseconds = process.hrtime.bigint() - began
    this.slots.push(slot)
    this.inForce.push(rule)
    return Number(nanoseconds)
  }

  /**
   * Removes one rule from the index. Returns the time of the removal in nanoseconds, which includes the reading of the
   * clock.
   */
  removeAt(position: number): number {
    const at = position % this.slots.length
    const slot = this.slots[at] as number
    const began = process.hrtime.bigint()
    this.index.remove(slot)
    const nanoseconds = process.hrtime.bigint() - began
    this.slots[at] = this.slots.at(-1) as number
    this.inForce[at] = this.inForce.at(-1) as number
    this.slots.pop()
    this.inForce.pop()
    return Number(nanoseconds)
  }

  count({ symbol, price }: EventObject): number {
    const { groups, index } = this
    groups.clear()
    index.groupsOf(userId, symbol, productType, groups)
    let total = 0
    for (let at = 0; at < groups.length; at += 1) total += index.count(groups.values[at] as number, 0, price)
    return total
  }

  /**
   * Collects the slots of the rules that an event meets, and returns the number of these rules. All events use the same
   * list of slots.
   */
  collect({ symbol, price }: EventObject): number {
    const { groups, index, found } = this
    groups.clear()
    found.clear()
    index.groupsOf(userId, symbol, productType, groups)
    for (let at = 0; at < groups.length; at += 1) index.collect(groups.values[at] as number, 0, price, found)
    return found.length
  }

  /** Counts the rules that an event meets by looking at each rule in force. */
  naiveCount({ symbol, price }: EventObject): number {
    const { symbols, comparisons, thresholds } = this.rules
    const number = symbolNames.indexOf(symbol)
    return this.inForce.filter(
      (rule) => symbols[rule] === number && isMet(comparisons[rule] ?? equal, thresholds[rule] ?? atMost, price)
    ).length
  }
}
