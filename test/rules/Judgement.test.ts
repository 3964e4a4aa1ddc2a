import { describe, expect, it } from "vitest"
import { entryTotal } from "../../src/account/Entry.ts"
import { purchaseTotal } from "../../src/account/Purchase.ts"
import { type AppliedPurchase, previousRevisionsMax, type Revision } from "../../src/account/Revision.ts"
import { decodeAlert, encodeAlert, encodeAlertId } from "../../src/rules/Alert.ts"
import { Judgement, type PlacedRevision, revisionBefore } from "../../src/rules/Judgement.ts"
import { decodeRule, type Rule, RuleProblem } from "../../src/rules/Rule.ts"
import {
  decodeRuleSet,
  emptyRuleSet,
  enableRule,
  encodeRuleSet,
  putRule,
  removeRule,
  type RuleSet,
  RulesFull
} from "../../src/rules/RuleSet.ts"
import { UserWindows } from "../../src/rules/UserWindows.ts"
import { type WindowBounds, windowBounds } from "../../src/rules/WindowWalk.ts"
import { loadWindows } from "./loadWindows.ts"
import { seeded } from "../../src/harness/system/Random.ts"
import { NaiveJudge } from "../../src/harness/alerts/NaiveJudge.ts"

const users = ["ann", "bob", "cy"]
const owners = ["ann", "bob", "dee"]
const products = ["Laptop", "Mouse", "Pen"]
const types = ["Electronics", "Paper"]
const hour = 3_600_000
const withins = [
  undefined,
  "PT1M",
  "PT1H",
  "P1D",
  { by: "hour", timeZone: "Europe/Berlin" },
  { by: "day", timeZone: "Europe/Berlin" }
]

interface Options {
  readonly seed: number
  /** Whether the times of an account's purchases may fall, as in old ledgers. */
  readonly areTimesFalling: boolean
  /** The chance that a user's window states are dropped before a revision. */
  readonly dropped: number
  /** Whether some entries take earlier purchases back. */
  readonly areReversed?: boolean
  /** The bounds of the window states. With bounds, windows are many times as large, because less time passes. */
  readonly bounds?: WindowBounds
}

/** With these bounds, many windows of a trial are long. */
const lowBounds: WindowBounds = { entriesOfUserMax: 20, blockEntriesMin: 3 }

/**
 * A ledger that grows by changes of rules and revisions, one at each sequence. Both judges, the `Judgement` and the
 * simple one, get each change and revision.
 */
class Trial {
  alerts = 0
  loads = 0
  /** The number of blocks of long windows that were read. */
  blocks = 0
  private readonly options: Options
  private readonly random: () => number
  private readonly judgement = new Judgement()
  private readonly naive = new NaiveJudge()
  private readonly sets = new Map<string, RuleSet>()
  private readonly windows = new Map<string, UserWindows>()
  /** The sequences of each user's revisions, newest first. */
  private readonly sequences = new Map<string, ReadonlyArray<number>>()
  private readonly revisions = new Map<string, Map<number, Revision>>()
  private sequence = 0
  private readonly reversed = new Set<string>()
  reversals = 0
  private now = Temporal.Instant.from("2026-10-24T20:00:00Z").epochMilliseconds

  constructor(options: Options) {
    this.options = options
    this.random = seeded(options.seed)
  }

  run(events: number): void {
    for (let event = 0; event < events; event += 1) {
      this.sequence += 1 + this.below(3)
      if (this.random() < 0.25) this.changeRules()
      else this.revise()
    }
    const rules = [...this.sets.values()].flatMap(({ rules }) => rules)
    expect(this.judgement.size).toBe(rules.filter(({ rule }) => rule.enabled).length)
  }

  private below(count: number): number {
    return Math.floor(this.random() * count)
  }

  private oneOf<A>(all: ReadonlyArray<A>): A {
    return all[this.below(all.length)] as A
  }

  private rule(): Rule {
    const measure = this.oneOf(["value", "quantity", "total", "spent", "spent", "count"])
    const isRunning = measure === "spent" || measure === "count"
    const isNumber = measure === "quantity" || measure === "count"
    const comparisons = ["equal", "greater-or-equal", "less-or-equal", "crosses", "crosses"]
    const moment = () => new Date(this.now + this.below(48 * hour) - 24 * hour).toISOString()
    const [from, until] = [moment(), moment()].toSorted()
    const rule = decodeRule(
      JSON.stringify({
        who: this.oneOf(["self", "all"]),
        ...this.oneOf([{}, { product: this.oneOf(products) }, { productType: this.oneOf(types) }]),
        measure,
        is: comparisons[this.below(isRunning ? 5 : 3)],
        within: isRunning ? this.oneOf(withins) : undefined,
        threshold: isNumber ? 1 + this.below(6) : (1 + this.below(isRunning ? 30 : 6)) / 100,
        ...(this.below(5) === 0 && from !== until ? { from, until } : {}),
        enabled: this.below(5) !== 0
      })
    )
    if (rule instanceof RuleProblem) throw new Error(rule.message)
    return rule
  }

  private changeRules(): void {
    const owner = this.oneOf(owners)
    const before = this.sets.get(owner) ?? emptyRuleSet
    const ruleId = `rule ${this.below(12)}`
    const kind = this.below(6)
    const changed =
      kind === 0
        ? removeRule(before, ruleId)
        : kind === 1
          ? enableRule(before, ruleId, this.below(2) === 0)
          : putRule(before, ruleId, this.rule(), 0)
    if (changed === undefined || changed instanceof RulesFull) return
    const text = encodeRuleSet(changed)
    this.sets.set(owner, decodeRuleSet(text, this.sequence))
    this.judgement.changeRules(owner, this.sequence, text)
    this.naive.changeRules(owner, this.sequence, text)
  }

  private purchase(inputIndex: number): AppliedPurchase {
    const step = this.oneOf([0, 1, 20_000, 60_000, ...(this.options.bounds === undefined ? [hour, 7 * hour] : [])])
    this.now += step
    // Some times are full hours, because a calendar window includes the first moment of its hour.
    if (this.below(this.options.bounds === undefined ? 4 : 50) === 0) {
      this.now = Math.ceil(this.now / hour) * hour
    }
    const back = this.options.areTimesFalling && this.below(4) === 0 ? this.below(3 * hour) : 0
    return {
      purchaseId: `${this.sequence}-${inputIndex}`,
      productName: this.oneOf(products),
      productType: this.oneOf(types),
      valueCents: BigInt(1 + this.below(5)),
      quantity: 1 + this.below(4),
      inputSequence: this.sequence,
      inputIndex,
      storedAt: this.now - back
    }
  }

  /** Returns a reversal of an earlier purchase, or a purchase if every earlier purchase was reversed. */
  private reversal(earlier: ReadonlyArray<AppliedPurchase>, inputIndex: number): AppliedPurchase {
    const reversed = this.oneOf([undefined, ...earlier].filter((one) => one?.reversal === undefined))
    const next = this.purchase(inputIndex)
    if (reversed === undefined || this.reversed.has(reversed.purchaseId)) return next
    this.reversed.add(reversed.purchaseId)
    this.reversals += 1
    const { inputSequence, storedAt } = next
    const quantity = 1 + this.below(reversed.quantity)
    const reversal = { reversalId: `r${this.reversals}`, reason: "Broken", asked: quantity, previous: 0 }
    return { ...reversed, inputSequence, inputIndex, storedAt, quantity, reversal }
  }

  private placed(userId: string): PlacedRevision {
    const history = this.naive.historyOf(userId)
    const purchases: Array<AppliedPurchase> = []
    for (let index = 0, length = this.below(4); index < length; index += 1) {
      const isReversal = this.options.areReversed === true && this.below(3) === 0
      purchases.push(isReversal ? this.reversal([...history, ...purchases], index) : this.purchase(index))
    }
    const all = [...history, ...purchases]
    const earlier = this.sequences.get(userId) ?? []
    this.sequences.set(userId, [this.sequence, ...earlier])
    const revision: Revision = {
      total: all.reduce((total, entry) => total + entryTotal(entry), 0n),
      count: all.length,
      decidedThrough: this.sequence,
      purchases,
      reversals: all.filter(({ reversal }) => reversal !== undefined).length,
      repeats: new Map(),
      previous: earlier.slice(0, 1 + this.below(previousRevisionsMax)),
      unsealed: 1,
      segment: 0
    }
    const revisions = this.revisions.get(userId) ?? new Map<number, Revision>()
    this.revisions.set(userId, revisions.set(this.sequence, revision))
    return { sequence: this.sequence, line: 1 + this.below(9), userId, revision }
  }

  private revise(): void {
    const userId = this.oneOf(users)
    const placed = this.placed(userId)
    const held = this.random() < this.options.dropped ? undefined : this.windows.get(userId)
    const bounds = this.options.bounds ?? windowBounds
    const windows = held ?? new UserWindows(revisionBefore(placed), bounds)
    this.windows.set(userId, windows)
    const walks = loadWindows(this.judgement, placed, windows, this.revisions.get(userId))
    this.loads += walks.length
    this.blocks += walks.filter(({ start: [first] }) => first !== revisionBefore(placed)).length
    const alerts = this.judgement.judge(placed, windows)
    expect(alerts).toEqual(this.naive.judge(placed))
    for (const alert of alerts) expect(decodeAlert(encodeAlert(alert))).toEqual(alert)
    this.alerts += alerts.length
  }
}

const ann = (purchases: ReadonlyArray<AppliedPurchase>, previous: ReadonlyArray<number> = []): PlacedRevision => ({
  sequence: 10,
  line: 1,
  userId: "ann",
  revision: {
    total: purchases.reduce((total, purchase) => total + purchaseTotal(purchase), 0n),
    count: purchases.length,
    decidedThrough: 1,
    purchases,
    reversals: 0,
    repeats: new Map(),
    previous,
    unsealed: 1,
    segment: 0
  }
})

const laptop: AppliedPurchase = {
  purchaseId: "1",
  productName: "Laptop",
  productType: "Electronics",
  valueCents: 90_000n,
  quantity: 1,
  inputSequence: 1,
  inputIndex: 0,
  storedAt: 1_000_000
}

/** Returns a value of the key `rules.<owner>` with rules that were put at the given sequences of the ledger. */
const valueAt = (rules: ReadonlyArray<readonly [number, string]>): string => {
  let set = emptyRuleSet
  for (const [sequence, text] of rules) {
    const changed = putRule(set, `rule ${sequence}`, decodeRule(text) as Rule, 0) as RuleSet
    set = decodeRuleSet(encodeRuleSet(changed), sequence)
  }
  return encodeRuleSet(set)
}

const valueOf = (...rules: ReadonlyArray<string>): string => valueAt(rules.map((rule, index) => [index + 1, rule]))

const spent = '{"measure":"spent","product":"Laptop","within":"P1D","threshold":900}'

describe("the judgement", () => {
  it.each([1, 2, 3, 4, 5, 6])(
    "the judgement finds the same alerts as a simple judge that reads all rules and all history, seed %i",
    (seed) => {
      const trial = new Trial({ seed, areTimesFalling: false, dropped: 0 })
      trial.run(2_000)
      expect(trial.alerts).toBeGreaterThan(2_000)
    }
  )

  it.each([11, 12, 13])(
    "the judgement finds the same alerts if window states are dropped at any time, seed %i",
    (seed) => {
      const trial = new Trial({ seed, areTimesFalling: false, dropped: 0.3 })
      trial.run(1_500)
      expect(trial.loads).toBeGreaterThan(300)
    }
  )

  it.each([21, 22, 23])(
    "the judgement finds the same alerts if the times of an account's purchases fall, seed %i",
    (seed) => {
      new Trial({ seed, areTimesFalling: true, dropped: 0.1 }).run(1_500)
    }
  )

  it.each([
    [31, false],
    [32, false],
    [33, true],
    [34, true]
  ])("the judgement finds the same alerts if purchases are reversed, seed %i", (seed, areTimesFalling) => {
    const trial = new Trial({ seed, areTimesFalling, dropped: 0.2, areReversed: true })
    trial.run(2_000)
    expect(trial.reversals).toBeGreaterThan(300)
    expect(trial.alerts).toBeGreaterThan(1_000)
  })

  it.each([
    [41, false, 0],
    [42, false, 0.2],
    [43, true, 0],
    [44, true, 0.2]
  ])("the judgement finds the same alerts if windows are long, seed %i", (seed, areTimesFalling, dropped) => {
    const trial = new Trial({ seed, areTimesFalling, dropped, areReversed: true, bounds: lowBounds })
    trial.run(2_000)
    expect(trial.blocks).toBeGreaterThan(300)
    expect(trial.alerts).toBeGreaterThan(1_000)
  })

  it("a reversal gives no alert, lowers the measure `spent`, and does not raise the measure `count`", () => {
    const judgement = new Judgement()
    const atLeast = (measure: string, threshold: number) =>
      `{"measure":"${measure}","productType":"Electronics","within":"P1D","is":"greater-or-equal","threshold":${threshold}}`
    const any = '{"measure":"value","is":"greater-or-equal","threshold":0.01}'
    judgement.changeRules("ann", 1, valueOf(any, atLeast("spent", 900), atLeast("count", 1)))
    const windows = new UserWindows(0)
    const reversal = { ...laptop, reversal: { reversalId: "r1", reason: "Broken", asked: 0, previous: 0 } }
    const placed = ann([laptop, reversal, laptop])
    const revision = { ...placed.revision, total: entryTotal(laptop), reversals: 1 }
    loadWindows(judgement, placed, windows)
    const alerts = judgement.judge({ ...placed, revision }, windows)
    expect(alerts.map(({ index, ruleId, before, after }) => [index, ruleId, before, after])).toEqual([
      [0, "rule 1", undefined, 90_000n],
      [0, "rule 2", 0n, 90_000n],
      [0, "rule 3", 0n, 1n],
      [2, "rule 1", undefined, 90_000n],
      [2, "rule 2", 0n, 90_000n],
      [2, "rule 3", 1n, 2n]
    ])
  })

  it("a revision with only reversals keeps the user's window states, and a sum may be below zero", () => {
    const judgement = new Judgement()
    const within = '{"measure":"spent","product":"Laptop","within":"PT1M","is":"less-or-equal","threshold":900}'
    judgement.changeRules("ann", 1, valueOf(within))
    const windows = new UserWindows(0)
    loadWindows(judgement, ann([laptop]), windows)
    judgement.judge(ann([laptop]), windows)
    const later = { ...laptop, storedAt: laptop.storedAt + hour }
    const reversal = { ...later, reversal: { reversalId: "r1", reason: "Broken", asked: 0, previous: 0 } }
    const placed = { ...ann([reversal], [10]), sequence: 11 }
    expect(windows.has(judgement.windowsNeeded(placed))).toBe(true)
    expect(judgement.judge(placed, windows)).toEqual([])
    const last = { ...ann([later], [11]), sequence: 12 }
    expect(windows.has(judgement.windowsNeeded(last))).toBe(true)
    const alerts = judgement.judge(last, windows)
    expect(alerts).toMatchObject([{ before: -90_000n, after: 0n }])
    for (const alert of alerts) expect(decodeAlert(encodeAlert(alert))).toEqual(alert)
  })

  it("the alerts of a purchase are in the order of the rules' numbers, for all owners together", () => {
    const judgement = new Judgement()
    const any = '{"who":"all","measure":"value","is":"greater-or-equal","threshold":1}'
    judgement.changeRules(
      "bob",
      9,
      valueAt([
        [1, any],
        [9, any]
      ])
    )
    judgement.changeRules("ann", 8, valueAt([[8, any]]))
    const alerts = judgement.judge(ann([laptop, laptop]), new UserWindows(0))
    expect(alerts.map(encodeAlertId)).toEqual(["10.1.0.1", "10.1.0.8", "10.1.0.9", "10.1.1.1", "10.1.1.8", "10.1.1.9"])
  })

  it("the judgement asks for a window that it needs, and does not ask again once the window is loaded", () => {
    const judgement = new Judgement()
    judgement.changeRules("ann", 1, valueOf(spent))
    const windows = new UserWindows(0)
    const needs = judgement.windowsNeeded(ann([laptop]))
    expect(needs).toMatchObject([
      { scope: { kind: "product", name: "Laptop" }, cutoffs: [laptop.storedAt - 24 * hour] }
    ])
    expect(windows.has(needs)).toBe(false)
    expect(loadWindows(judgement, ann([laptop]), windows)).toHaveLength(1)
    expect(windows.has(needs)).toBe(true)
    expect(judgement.judge(ann([laptop]), windows)).toMatchObject([{ ruleId: "rule 1", before: 0n, after: 90_000n }])
    expect([windows.through, windows.entries]).toEqual([10, 1])
  })

  it("the judgement needs no window if no rule looks at the purchase, or if the revision has the sums", () => {
    const judgement = new Judgement()
    judgement.changeRules("bob", 1, valueOf(spent))
    judgement.changeRules("ann", 2, valueOf('{"measure":"spent","threshold":900}'))
    expect(judgement.windowsNeeded(ann([laptop]))).toEqual([])
    expect(judgement.judge(ann([laptop]), new UserWindows(0))).toMatchObject([{ owner: "ann", before: 0n }])
  })

  it("the judgement throws if the window states lack the user's revision before this one, or a needed state", () => {
    const judgement = new Judgement()
    judgement.changeRules("ann", 1, valueOf(spent))
    expect(() => judgement.judge(ann([laptop], [7]), new UserWindows(0))).toThrow(
      "end with the revision 0, and not with 7"
    )
    expect(() => judgement.judge(ann([laptop]), new UserWindows(0))).toThrow("was not loaded")
  })

  it("the judgement drops the state of a window that no rule needs any more", () => {
    const judgement = new Judgement()
    judgement.changeRules("ann", 1, valueOf(spent))
    const windows = new UserWindows(0)
    loadWindows(judgement, ann([laptop]), windows)
    judgement.judge(ann([laptop]), windows)
    judgement.changeRules("ann", 11, valueOf())
    judgement.judge({ ...ann([laptop], [10]), sequence: 12 }, windows)
    expect(windows.entries).toBe(0)
  })

  it("the judgement keeps its rules if the changed rules of a user cannot be read", () => {
    const judgement = new Judgement()
    judgement.changeRules("ann", 1, valueOf(spent))
    expect(() => judgement.changeRules("ann", 2, '{"v":1,"changes":2}\n["a",0,2,{}]\n')).toThrow("measure")
    expect(judgement.size).toBe(1)
  })
})
