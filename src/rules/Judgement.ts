import { entryTotal, purchasesAmong } from "../account/Entry.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { AppliedPurchase, Revision } from "../account/Revision.ts"
import type { Alert } from "./Alert.ts"
import { IntegerList } from "./IntegerList.ts"
import { isRunning, measureMax } from "./Rule.ts"
import type { GroupWindow, RuleIndex } from "./RuleIndex.ts"
import { RulesInForce } from "./RulesInForce.ts"
import { stateKey, type UserWindows, type WindowNeed } from "./UserWindows.ts"
import { boundedSum, type Running } from "./WindowState.ts"

/** A line of a commit: the revision of one user, with its place in the journal. */
export interface PlacedRevision {
  /** The sequence of the commit in the journal. */
  readonly sequence: number
  /** The number of the line in the commit, from 1. */
  readonly line: number
  readonly userId: string
  readonly revision: Revision
}

/**
 * A purchase to judge, with its index in the revision, and with the running measures of the whole account before the
 * purchase.
 */
interface Judged {
  readonly purchase: AppliedPurchase
  readonly index: number
  readonly account: Running
}

/**
 * A rule that a purchase met, with the rule's measure before and after the purchase. `before` is `undefined` for a
 * measure of one purchase.
 */
interface Match {
  readonly slot: number
  readonly before: number | undefined
  readonly after: number
}

interface Measured {
  readonly before: number | undefined
  readonly after: number
}

/**
 * Returns the entries of a revision, oldest first. Each entry comes with the sum of all earlier entries and the number
 * of all earlier purchases of the account.
 */
const judgedOf = ({ total, count, reversals, purchases }: Revision): Array<Judged> => {
  let spent = purchases.reduce((rest, entry) => rest - entryTotal(entry), total)
  let bought = count - reversals - purchasesAmong(purchases)
  return purchases.map((purchase, index) => {
    const account = { spent: boundedSum(spent), count: bought }
    spent += entryTotal(purchase)
    if (purchase.reversal === undefined) bought += 1
    return { purchase, index, account }
  })
}

/**
 * Returns the sequence of the user's previous revision, given a revision; 0 if the given revision is the user's first.
 */
export const revisionBefore = ({ revision }: PlacedRevision): number => revision.previous[0] ?? 0

/**
 * Returns whether a group's measure adds up all purchases of an account. The measure of all purchases is the account's
 * total or count, and needs no window state.
 */
const isOfAccount = (index: RuleIndex, group: number, { window }: GroupWindow): boolean =>
  window.kind === "ever" && index.scopeOf(group).kind === "everything"

/**
 * Judges purchases: finds the rules that each purchase meets. The judgement is a fold over the journal. The events of
 * the fold are revisions and stored rules of users (values of the keys `rules.<user>`), in the order of the journal.
 * The alerts depend on the journal alone, because the fold reads no clock. Of earlier purchases, the fold needs only
 * the window states that {@link windowsNeeded} names.
 */
export class Judgement {
  private readonly rules = new RulesInForce()
  private readonly groups = new IntegerList()
  private readonly slots = new IntegerList()

  /** The number of rules that are switched on. */
  get size(): number {
    return this.rules.index.size
  }

  /**
   * Returns whether any rule is about purchases of a user. The caller may skip the revisions of a user for whom
   * `looksAt` returns `false`. If a rule later needs the window states of a skipped user, the states are loaded again.
   */
  looksAt(userId: string): boolean {
    return this.rules.index.looksAt(userId)
  }

  /**
   * Replaces the rules of `owner` by the value of the key `rules.<owner>` at a sequence of the journal. Throws if
   * `text` is not a set of rules.
   */
  changeRules(owner: string, sequence: number, text: string): void {
    this.rules.replace(owner, sequence, text)
  }

  /** Returns the window states that the judgement of a revision needs. */
  windowsNeeded(placed: PlacedRevision): ReadonlyArray<WindowNeed> {
    const { index } = this.rules
    const needs = new Map<string, WindowNeed & { readonly cutoffs: Array<number> }>()
    for (const purchase of placed.revision.purchases) {
      if (purchase.reversal !== undefined) continue
      for (const group of this.groupsOf(placed.userId, purchase)) {
        if (!isRunning(index.measureOf(group))) continue
        const window = index.windowOf(group)
        if (isOfAccount(index, group, window)) continue
        const scope = index.scopeOf(group)
        const key = stateKey(scope, window.key)
        const cutoffs = needs.get(key)?.cutoffs ?? []
        if (cutoffs.length === 0) needs.set(key, { key, scope, cutoff: window.cutoff, cutoffs })
        const cutoff = window.cutoff(purchase.storedAt)
        if (cutoffs.at(-1) !== cutoff) cutoffs.push(cutoff)
      }
    }
    return [...needs.values()]
  }

  /**
   * Returns the alerts of a revision, ordered by purchase, oldest first, and then by the number of the rule. Adds the
   * purchases of the revision to the window states. Throws an Error if a needed window state is missing, or if the
   * window states do not end with the user's previous revision.
   */
  judge(placed: PlacedRevision, windows: UserWindows): Array<Alert> {
    if (windows.through !== revisionBefore(placed)) {
      throw new Error(`The windows end with the revision ${windows.through}, and not with ${revisionBefore(placed)}.`)
    }
    const used = new Set<string>()
    const alerts: Array<Alert> = []
    for (const judged of judgedOf(placed.revision)) {
      // A reversal meets no rule, but changes the measures of later purchases.
      if (judged.purchase.reversal === undefined) {
        const matches = this.matchesOf(placed.userId, judged, windows, used)
        matches.sort((one, other) => this.rules.numberOf(one.slot) - this.rules.numberOf(other.slot))
        for (const match of matches) alerts.push(this.alertOf(placed, judged, match))
      }
      windows.add(judged.purchase)
    }
    windows.settle(placed.sequence, placed.revision.purchases, used)
    return alerts
  }

  private groupsOf(userId: string, { productName, productType }: AppliedPurchase): Int32Array {
    this.groups.clear()
    this.rules.index.groupsOf(userId, productName, productType, this.groups)
    return this.groups.values.subarray(0, this.groups.length)
  }

  private matchesOf(userId: string, judged: Judged, windows: UserWindows, used: Set<string>): Array<Match> {
    const { rules, slots } = this
    const matches: Array<Match> = []
    for (const group of this.groupsOf(userId, judged.purchase)) {
      const { before, after } = this.measured(group, judged, windows, used)
      slots.clear()
      rules.index.collect(group, before ?? 0, after, slots)
      for (let at = 0; at < slots.length; at += 1) {
        const slot = slots.values[at] as number
        if (rules.isInForce(slot, judged.purchase.storedAt)) matches.push({ slot, before, after })
      }
    }
    return matches
  }

  private measured(group: number, judged: Judged, windows: UserWindows, used: Set<string>): Measured {
    const { purchase } = judged
    switch (this.rules.index.measureOf(group)) {
      case "value":
        return { before: undefined, after: Number(purchase.valueCents) }
      case "quantity":
        return { before: undefined, after: purchase.quantity }
      case "total":
        return { before: undefined, after: Number(purchaseTotal(purchase)) }
      case "spent": {
        const before = this.running(group, judged, windows, used).spent
        return { before, after: Math.min(before + Number(purchaseTotal(purchase)), measureMax) }
      }
      case "count": {
        const before = this.running(group, judged, windows, used).count
        return { before, after: before + 1 }
      }
    }
  }

  /** Returns the running measures of a group before a purchase, for the window that ends at the purchase's time. */
  private running(group: number, { purchase, account }: Judged, windows: UserWindows, used: Set<string>): Running {
    const { index } = this.rules
    const window = index.windowOf(group)
    if (isOfAccount(index, group, window)) return account
    const key = stateKey(index.scopeOf(group), window.key)
    used.add(key)
    return windows.state(key).runningSince(window.cutoff(purchase.storedAt))
  }

  private alertOf({ sequence, line, userId }: PlacedRevision, { purchase, index }: Judged, match: Match): Alert {
    const { ruleId, number, version, rule } = this.rules.storedRule(match.slot)
    return {
      sequence,
      line,
      index,
      ruleNumber: number,
      owner: this.rules.ownerOf(match.slot),
      ruleId,
      ruleVersion: version,
      rule,
      userId,
      purchase,
      before: match.before === undefined ? undefined : BigInt(match.before),
      after: BigInt(match.after)
    }
  }
}
