import { describe, expect, it } from "vitest"
import { IntegerList } from "../../src/rules/IntegerList.ts"
import type { Comparison, Measure, Scope } from "../../src/rules/Rule.ts"
import { type IndexedRule, RuleIndex } from "../../src/rules/RuleIndex.ts"
import { ever, type RuleWindow, windowKey } from "../../src/rules/RuleWindow.ts"
import { seeded } from "../../src/harness/system/Random.ts"

const users = ["ann", "bob", "cy", "Ünï"]
const products = ["Laptop", "Mouse", "Electronics"]
const productTypes = ["Electronics", "Books"]
const measures: ReadonlyArray<Measure> = ["value", "quantity", "total", "spent", "count"]
const narrowMeasures: ReadonlyArray<Measure> = ["value", "spent"]
const windows: ReadonlyArray<RuleWindow> = [
  ever,
  { kind: "length", milliseconds: 60_000 },
  { kind: "calendar", by: "day", timeZone: "Europe/Berlin" }
]

/**
 * A purchase with a running measure for each window. All scopes have the same measures, because the index only
 * compares.
 */
interface Event {
  readonly userId: string
  readonly product: string
  readonly productType: string
  readonly before: number
  readonly after: number
}

interface Mode {
  readonly seed: number
  /** The number of different values of thresholds and measures. With few values, many thresholds are equal. */
  readonly values: number
  /** The number of rules around which the set of rules grows and shrinks. */
  readonly rules: number
  readonly users: number
  /** Whether all rules are about one product and two measures, so that groups are large and have sorted lists. */
  readonly isNarrow?: true
}

const isIn = ({ who, owner, scope }: IndexedRule, { userId, product, productType }: Event): boolean => {
  if (who === "self" && owner !== userId) return false
  if (scope.kind === "everything") return true
  return scope.kind === "product" ? scope.name === product : scope.name === productType
}

/** Compares a measure with a rule's threshold, literally as the comparison is defined. */
const meets = ({ is, threshold }: IndexedRule, before: number, after: number): boolean => {
  const limit = Number(threshold)
  if (is === "equal") return after === limit
  if (is === "greater-or-equal") return after >= limit
  return is === "less-or-equal" ? after <= limit : before < limit && limit <= after
}

class Trial {
  readonly index = new RuleIndex()
  readonly rules = new Map<number, IndexedRule>()
  private readonly mode: Mode
  private readonly random: () => number

  constructor(mode: Mode) {
    this.mode = mode
    this.random = seeded(mode.seed)
  }

  below(count: number): number {
    return Math.floor(this.random() * count)
  }

  oneOf<A>(all: ReadonlyArray<A>, upTo = all.length): A {
    return all[this.below(upTo)] as A
  }

  rule(): IndexedRule {
    const { isNarrow } = this.mode
    const measure = this.oneOf(isNarrow ? narrowMeasures : measures)
    const isRunning = measure === "spent" || measure === "count"
    const comparisons: ReadonlyArray<Comparison> = ["equal", "greater-or-equal", "less-or-equal", "crosses"]
    const scopes: ReadonlyArray<Scope> = [
      { kind: "everything" },
      { kind: "product", name: this.oneOf(products) },
      { kind: "productType", name: this.oneOf(productTypes) }
    ]
    return {
      owner: this.oneOf(users, this.mode.users),
      who: !isNarrow && this.below(3) === 0 ? "self" : "all",
      scope: isNarrow ? { kind: "product", name: "Laptop" } : this.oneOf(scopes),
      measure,
      within: isRunning && !isNarrow ? this.oneOf(windows) : ever,
      is: this.oneOf(comparisons, isRunning ? 4 : 3),
      threshold: BigInt(1 + this.below(this.mode.values))
    }
  }

  event(): Event {
    const measured = [this.below(this.mode.values + 2), this.below(this.mode.values + 2)]
    return {
      userId: this.oneOf(users),
      product: this.oneOf([...products, "Unknown"]),
      productType: this.oneOf([...productTypes, "Unknown"]),
      before: Math.min(...measured),
      after: Math.max(...measured)
    }
  }

  change(): void {
    const grows = this.rules.size < this.mode.rules ? 0.7 : 0.3
    if (this.random() < grows || this.rules.size === 0) {
      const rule = this.rule()
      const slot = this.index.add(rule)
      expect(this.rules.has(slot)).toBe(false)
      this.rules.set(slot, rule)
      return
    }
    const slot = [...this.rules.keys()][this.below(this.rules.size)] as number
    this.index.remove(slot)
    this.rules.delete(slot)
  }

  /** Returns the rules that the index finds for an event. Expects that the index counts as many rules of each group. */
  found({ userId, product, productType, before, after }: Event): Array<string> {
    const groups = new IntegerList()
    const slots = new IntegerList()
    const found: Array<string> = []
    this.index.groupsOf(userId, product, productType, groups)
    for (const group of groups.values.subarray(0, groups.length)) {
      const measure = this.index.measureOf(group)
      slots.clear()
      this.index.collect(group, before, after, slots)
      expect(this.index.count(group, before, after)).toBe(slots.length)
      const { key } = this.index.windowOf(group)
      for (const slot of slots.values.subarray(0, slots.length)) {
        found.push(`${slot} ${measure} ${key} ${JSON.stringify(this.index.scopeOf(group))}`)
      }
    }
    return found.toSorted()
  }

  expected(event: Event): Array<string> {
    const found: Array<string> = []
    for (const [slot, rule] of this.rules) {
      if (!isIn(rule, event) || !meets(rule, event.before, event.after)) continue
      found.push(`${slot} ${rule.measure} ${windowKey(rule.within)} ${JSON.stringify(rule.scope)}`)
    }
    return found.toSorted()
  }

  /** The number of different names in all rules. */
  names(): number {
    const names = [...this.rules.values()].flatMap(({ who, owner, scope, within }) => [
      ...(who === "self" ? [`owner ${owner}`] : []),
      ...(scope.kind === "everything" ? [] : [`${scope.kind} ${scope.name}`]),
      `window ${windowKey(within)}`
    ])
    return new Set(names).size
  }

  run(events: number): number {
    let matches = 0
    while (this.rules.size < this.mode.rules) this.change()
    for (let count = 0; count < events; count += 1) {
      for (let changes = this.below(3); changes > 0; changes -= 1) this.change()
      const event = this.event()
      const expected = this.expected(event)
      expect(this.found(event)).toEqual(expected)
      matches += expected.length
    }
    expect([this.index.size, this.index.names]).toEqual([this.rules.size, this.names()])
    return matches
  }
}

const modes: ReadonlyArray<Mode & { readonly name: string; readonly events: number }> = [
  { name: "few rules", seed: 1, values: 6, rules: 12, users: 4, events: 20_000 },
  { name: "some hundred rules", seed: 2, values: 30, rules: 400, users: 4, events: 20_000 },
  { name: "rules that come and all go again", seed: 3, values: 5, rules: 3, users: 2, events: 10_000 },
  { name: "a thousand rules", seed: 4, values: 2_000, rules: 1_000, users: 1, events: 3_000 },
  { name: "large groups of few thresholds", seed: 6, values: 9, rules: 500, users: 1, isNarrow: true, events: 10_000 },
  {
    name: "large groups of many thresholds",
    seed: 7,
    values: 900,
    rules: 900,
    users: 1,
    isNarrow: true,
    events: 10_000
  }
]

describe("the index of rules", () => {
  it.each(modes)("the index finds the same rules as a loop over all rules, with $name", ({ events, ...mode }) => {
    expect(new Trial(mode).run(events)).toBeGreaterThan(events / 10)
  })

  it("the index finds the same rules as a loop over all rules, even among many equal thresholds", () => {
    const trial = new Trial({ seed: 5, values: 4, rules: 0, users: 1 })
    const rule = (is: Comparison, threshold: number): IndexedRule => ({
      owner: "ann",
      who: "all",
      scope: { kind: "everything" },
      measure: "spent",
      within: ever,
      is,
      threshold: BigInt(threshold)
    })
    for (let count = 0; count < 4_000; count += 1) {
      const added = rule(trial.oneOf(["equal", "greater-or-equal", "less-or-equal", "crosses"]), 1 + trial.below(4))
      trial.rules.set(trial.index.add(added), added)
    }
    for (let count = 0; count < 4_000; count += 1) {
      const slot = [...trial.rules.keys()][trial.below(trial.rules.size)] as number
      trial.index.remove(slot)
      trial.rules.delete(slot)
      if (count % 16 !== 0) continue
      const event = trial.event()
      expect(trial.found(event)).toEqual(trial.expected(event))
    }
    expect([trial.index.size, trial.index.names]).toEqual([0, 0])
  })
})
