import { EqualTable } from "./EqualTable.ts"
import { type Comparison, everything, type Measure, type Rule, type Scope } from "./Rule.ts"
import { type RuleWindow, type WindowCutoff, cutoffOf, windowKey } from "./RuleWindow.ts"
import type { IntegerList } from "./IntegerList.ts"
import { SortedPages } from "./SortedPages.ts"
import { SymbolTable } from "./SymbolTable.ts"

/**
 * The most rules of a group that keeps its rules in one linked list. A search scans the whole linked list. A group that
 * grows larger keeps its rules in sorted lists, until the group is empty.
 */
const scannedMax = 64
const roomMin = 64
const nil = -1
/**
 * The key of the one linked list of a scanned group. All other linked lists have a threshold as their key, and
 * thresholds are 1 or more.
 */
const scannedKey = 0
/** The number for the scope `everything`, and the number for all users. */
const anyThing = 0
const anyUser = 0
const measuresRoom = 2 ** 26

const equal = 0
const atLeast = 1
const atMost = 2
const crosses = 3
const codes: Record<Comparison, number> = {
  equal,
  "greater-or-equal": atLeast,
  "less-or-equal": atMost,
  crosses
}

const comparisonOfCode: ReadonlyArray<Comparison> = ["equal", "greater-or-equal", "less-or-equal", "crosses"]

const measures: ReadonlyArray<Measure> = ["value", "quantity", "total", "spent", "count"]

/**
 * The fields of a rule that the index needs. The index needs `owner`, the user who owns the rule, only for rules about
 * the owner's own purchases.
 */
export interface IndexedRule extends Pick<Rule, "who" | "scope" | "measure" | "within" | "is" | "threshold"> {
  readonly owner: string
}

/** The window of a group's measure, with its key and its cutoff. */
export interface GroupWindow {
  readonly key: string
  readonly window: RuleWindow
  readonly cutoff: WindowCutoff
}

/** The numbers of the sorted lists of a group, one list for each comparison except `equal`. */
interface SortedLists {
  readonly atLeast: number
  readonly atMost: number
  readonly crosses: number
}

/** The fields of all rules and of all groups, in one array for each field. */
class Columns {
  /** The fields of the rules. The slot of a rule is its index in each array. */
  thresholds = new Float64Array(roomMin)
  codes = new Uint8Array(roomMin)
  groups = new Int32Array(roomMin)
  /**
   * The fields of the groups: user, scope, measure with window, number of rules, and the index of the sorted lists. The
   * index of the sorted lists is -1 for a group without sorted lists.
   */
  users = new Int32Array(roomMin)
  things = new Int32Array(roomMin)
  measures = new Int32Array(roomMin)
  sizes = new Int32Array(roomMin)
  sorted = new Int32Array(roomMin)

  growRules(): void {
    const { thresholds, codes, groups } = this
    this.thresholds = new Float64Array(2 * thresholds.length)
    this.codes = new Uint8Array(2 * thresholds.length)
    this.groups = new Int32Array(2 * thresholds.length)
    this.thresholds.set(thresholds)
    this.codes.set(codes)
    this.groups.set(groups)
  }

  growGroups(): void {
    const { users, things, measures, sizes, sorted } = this
    this.users = new Int32Array(2 * users.length)
    this.things = new Int32Array(2 * users.length)
    this.measures = new Int32Array(2 * users.length)
    this.sizes = new Int32Array(2 * users.length)
    this.sorted = new Int32Array(2 * users.length)
    this.users.set(users)
    this.things.set(things)
    this.measures.set(measures)
    this.sizes.set(sizes)
    this.sorted.set(sorted)
  }
}

/**
 * Keeps the rules that are switched on, and finds the rules that a purchase meets without a look at all rules.
 *
 * A group has the rules that are about the same users and the same scope, with the same measure and window. A rule
 * looks at a purchase if the rule is about all users or about the purchase's user. The scope of the rule must be
 * everything, the purchase's product, or the purchase's type. The caller asks the index for the groups of a purchase,
 * and computes the measure of each group. Last, the index finds the rules of a group that the measure of the group
 * meets. Measures and thresholds are whole numbers.
 */
export class RuleIndex {
  private rules = 0
  private rulesOnAll = 0
  private slotsUsed = 0
  private groupsUsed = 0
  private readonly freeSlots: Array<number> = []
  private readonly freeGroups: Array<number> = []
  private readonly columns = new Columns()
  private readonly users = new SymbolTable()
  private readonly products = new SymbolTable()
  private readonly productTypes = new SymbolTable()
  private readonly windowKeys = new SymbolTable()
  private readonly windows: Array<GroupWindow> = []
  /**
   * `groupsOfScope` has the groups of a user and a scope. `groupOfMeasure` has the one group of a user, a scope, a
   * measure and a window.
   */
  private readonly groupsOfScope = new EqualTable()
  private readonly groupOfMeasure = new EqualTable()
  /**
   * The linked lists of rules, by group and threshold. A scanned group has one linked list with all its rules. A group
   * with sorted lists has one linked list for each threshold with the comparison `equal`.
   */
  private readonly chains = new EqualTable()
  private readonly pages = new SortedPages()
  private readonly sortedLists: Array<SortedLists> = []
  private readonly freeSortedLists: Array<number> = []

  /** The number of rules in the index. */
  get size(): number {
    return this.rules
  }

  /** The number of distinct users, products, types and windows in the rules of the index. */
  get names(): number {
    return this.users.size + this.products.size + this.productTypes.size + this.windowKeys.size
  }

  /**
   * Adds a rule, and returns the slot of the rule: a small number. When the rule is removed, another rule may get the
   * slot.
   */
  add(rule: IndexedRule): number {
    const { columns } = this
    const slot = this.freeSlots.pop() ?? this.slotsUsed++
    if (slot === columns.thresholds.length) columns.growRules()
    const group = this.groupFor(rule)
    columns.thresholds[slot] = Number(rule.threshold)
    columns.codes[slot] = codes[rule.is]
    columns.groups[slot] = group
    const size = (columns.sizes[group] as number) + 1
    columns.sizes[group] = size
    this.rules += 1
    if (columns.users[group] === anyUser) this.rulesOnAll += 1
    const lists = this.listsOf(group)
    if (lists !== undefined) this.addSorted(lists, group, slot)
    else {
      this.chains.add(group, scannedKey, slot)
      if (size > scannedMax) this.sort(group)
    }
    return slot
  }

  /** Removes the rule of a slot. */
  remove(slot: number): void {
    const { columns } = this
    const group = columns.groups[slot] as number
    const size = (columns.sizes[group] as number) - 1
    columns.sizes[group] = size
    this.rules -= 1
    if (columns.users[group] === anyUser) this.rulesOnAll -= 1
    this.freeSlots.push(slot)
    const lists = this.listsOf(group)
    if (lists !== undefined) this.removeSorted(lists, group, slot)
    else this.chains.remove(group, scannedKey, slot)
    if (size === 0) this.removeGroup(group)
  }

  /** Returns the fields of the rule of a slot, without the owner of the rule. */
  ruleOf(slot: number): Omit<IndexedRule, "owner"> {
    const { thresholds, codes, groups, users } = this.columns
    const group = groups[slot] as number
    return {
      who: users[group] === anyUser ? "all" : "self",
      scope: this.scopeOf(group),
      measure: this.measureOf(group),
      within: this.windowOf(group).window,
      is: comparisonOfCode[codes[slot] as number] as Comparison,
      threshold: BigInt(thresholds[slot] as number)
    }
  }

  /** Returns whether the index has a rule about purchases of a user. */
  looksAt(userId: string): boolean {
    return this.rulesOnAll > 0 || this.users.find(userId) !== undefined
  }

  /** Adds to `found` the groups with rules that look at a purchase. */
  groupsOf(userId: string, productName: string, productType: string, found: IntegerList): void {
    const product = this.products.find(productName)
    const type = this.productTypes.find(productType)
    const user = this.users.find(userId)
    this.groupsOfUser(anyUser, product, type, found)
    if (user !== undefined) this.groupsOfUser(user + 1, product, type, found)
  }

  measureOf(group: number): Measure {
    return measures[(this.columns.measures[group] as number) % measures.length] as Measure
  }

  /** Returns the time window of a group of rules that measure a running sum or count. */
  windowOf(group: number): GroupWindow {
    return this.windows[Math.floor((this.columns.measures[group] as number) / measures.length)] as GroupWindow
  }

  scopeOf(group: number): Scope {
    const thing = this.columns.things[group] as number
    if (thing === anyThing) return everything
    return thing % 2 === 1
      ? { kind: "product", name: this.products.textOf((thing - 1) / 2) }
      : { kind: "productType", name: this.productTypes.textOf((thing - 2) / 2) }
  }

  /**
   * Counts the rules of a group that a measure meets. `before` is the measure without the purchase, and `after` the
   * measure with the purchase.
   */
  count(group: number, before: number, after: number): number {
    const lists = this.listsOf(group)
    if (lists === undefined) return this.scan(group, before, after, undefined)
    const { pages } = this
    return (
      pages.countUpTo(lists.atLeast, after) +
      pages.countAbove(lists.atMost, after - 1) +
      pages.countBetween(lists.crosses, before, after) +
      this.chains.count(group, after)
    )
  }

  /** Adds to `found` the slots of a group's rules that a measure meets, in no particular order. */
  collect(group: number, before: number, after: number, found: IntegerList): void {
    const lists = this.listsOf(group)
    if (lists === undefined) {
      this.scan(group, before, after, found)
      return
    }
    const { pages, chains } = this
    pages.collectBetween(lists.atLeast, Number.NEGATIVE_INFINITY, after, found)
    pages.collectBetween(lists.atMost, after - 1, Number.POSITIVE_INFINITY, found)
    pages.collectBetween(lists.crosses, before, after, found)
    for (let slot = chains.head(group, after); slot !== nil; slot = chains.next(slot)) found.push(slot)
  }

  private groupsOfUser(user: number, product: number | undefined, type: number | undefined, found: IntegerList): void {
    this.groupsIn(user, anyThing, found)
    if (product !== undefined) this.groupsIn(user, 2 * product + 1, found)
    if (type !== undefined) this.groupsIn(user, 2 * type + 2, found)
  }

  private groupsIn(user: number, thing: number, found: IntegerList): void {
    const { groupsOfScope } = this
    for (let group = groupsOfScope.head(user, thing); group !== nil; group = groupsOfScope.next(group))
      found.push(group)
  }

  private scan(group: number, before: number, after: number, found: IntegerList | undefined): number {
    const { chains } = this
    const { thresholds, codes } = this.columns
    let met = 0
    for (let slot = chains.head(group, scannedKey); slot !== nil; slot = chains.next(slot)) {
      const threshold = thresholds[slot] as number
      const code = codes[slot]
      const isMet =
        code === atLeast
          ? threshold <= after
          : code === atMost
            ? threshold >= after
            : threshold === after || (code === crosses && threshold < after)
      if (!isMet || (code === crosses && threshold <= before)) continue
      met += 1
      found?.push(slot)
    }
    return met
  }

  private listsOf(group: number): SortedLists | undefined {
    const sorted = this.columns.sorted[group] as number
    return sorted === nil ? undefined : this.sortedLists[sorted]
  }

  private addSorted(lists: SortedLists, group: number, slot: number): void {
    const threshold = this.columns.thresholds[slot] as number
    const list = this.listFor(lists, slot)
    if (list === undefined) this.chains.add(group, threshold, slot)
    else this.pages.add(list, threshold, slot)
  }

  private removeSorted(lists: SortedLists, group: number, slot: number): void {
    const threshold = this.columns.thresholds[slot] as number
    const list = this.listFor(lists, slot)
    if (list === undefined) this.chains.remove(group, threshold, slot)
    else this.pages.remove(list, threshold, slot)
  }

  /**
   * Returns the number of the sorted list for a rule. Returns `undefined` for a rule with the comparison `equal`,
   * because such a rule is in a linked list.
   */
  private listFor(lists: SortedLists, slot: number): number | undefined {
    const code = this.columns.codes[slot]
    if (code === equal) return undefined
    if (code === atLeast) return lists.atLeast
    return code === atMost ? lists.atMost : lists.crosses
  }

  /** Makes the sorted lists of a group, and moves the rules of the group into these lists. */
  private sort(group: number): void {
    const { chains, pages, columns } = this
    const lists = { atLeast: pages.create(), atMost: pages.create(), crosses: pages.create() }
    const sorted = this.freeSortedLists.pop() ?? this.sortedLists.length
    this.sortedLists[sorted] = lists
    columns.sorted[group] = sorted
    for (let slot = chains.head(group, scannedKey); slot !== nil; slot = chains.head(group, scannedKey)) {
      chains.remove(group, scannedKey, slot)
      this.addSorted(lists, group, slot)
    }
  }

  private groupFor({ who, owner, scope, measure, within }: IndexedRule): number {
    const user = who === "all" ? anyUser : this.users.use(owner) + 1
    const thing = this.useThing(scope)
    const number = this.useWindow(within) * measures.length + measures.indexOf(measure)
    const known = this.groupOfMeasure.head(user, thing * measuresRoom + number)
    if (known === nil) return this.addGroup(user, thing, number)
    // A group that exists already counts as one use of its user, scope and window.
    this.release(user, thing, number)
    return known
  }

  private release(user: number, thing: number, number: number): void {
    if (user !== anyUser) this.users.release(user - 1)
    if (thing !== anyThing) {
      if (thing % 2 === 1) this.products.release((thing - 1) / 2)
      else this.productTypes.release((thing - 2) / 2)
    }
    this.windowKeys.release(Math.floor(number / measures.length))
  }

  private useThing(scope: Scope): number {
    if (scope.kind === "everything") return anyThing
    return scope.kind === "product" ? 2 * this.products.use(scope.name) + 1 : 2 * this.productTypes.use(scope.name) + 2
  }

  private useWindow(window: RuleWindow): number {
    const key = windowKey(window)
    const number = this.windowKeys.use(key)
    if (this.windows[number]?.key !== key) this.windows[number] = { key, window, cutoff: cutoffOf(window) }
    return number
  }

  private addGroup(user: number, thing: number, number: number): number {
    const { columns } = this
    const group = this.freeGroups.pop() ?? this.groupsUsed++
    if (group === columns.users.length) columns.growGroups()
    columns.users[group] = user
    columns.things[group] = thing
    columns.measures[group] = number
    columns.sizes[group] = 0
    columns.sorted[group] = nil
    this.groupsOfScope.add(user, thing, group)
    this.groupOfMeasure.add(user, thing * measuresRoom + number, group)
    return group
  }

  private removeGroup(group: number): void {
    const { users, things, measures: numbers, sorted } = this.columns
    const user = users[group] as number
    const thing = things[group] as number
    const number = numbers[group] as number
    this.groupsOfScope.remove(user, thing, group)
    this.groupOfMeasure.remove(user, thing * measuresRoom + number, group)
    this.release(user, thing, number)
    this.freeGroups.push(group)
    const lists = this.listsOf(group)
    if (lists === undefined) return
    for (const list of [lists.atLeast, lists.atMost, lists.crosses]) this.pages.free(list)
    this.freeSortedLists.push(sorted[group] as number)
  }
}
