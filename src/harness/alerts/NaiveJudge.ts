import { entryTotal } from "../../account/Entry.ts"
import { purchaseTotal } from "../../account/Purchase.ts"
import type { AppliedPurchase } from "../../account/Revision.ts"
import { windowStart } from "../../account/SpendingWindow.ts"
import type { Alert } from "../../rules/Alert.ts"
import type { PlacedRevision } from "../../rules/Judgement.ts"
import { measureMax, type Rule } from "../../rules/Rule.ts"
import { decodeRuleSet, type RuleSet, type StoredRule } from "../../rules/RuleSet.ts"

interface Measured {
  readonly before: bigint | undefined
  readonly after: bigint
}

const isAbout = ({ who, scope }: Rule, owner: string, userId: string, purchase: AppliedPurchase): boolean => {
  if (who === "self" && owner !== userId) return false
  if (scope.kind === "everything") return true
  return scope.name === (scope.kind === "product" ? purchase.productName : purchase.productType)
}

/** Returns whether a purchase was stored within the window of a rule that ends at the time `end`. */
const isRecent = ({ within }: Rule, storedAt: number, end: number): boolean => {
  if (within.kind === "ever") return true
  return within.kind === "length" ? storedAt > end - within.milliseconds : storedAt >= windowStart(within, end)
}

/**
 * Judges purchases in the simplest way: looks at each rule for each purchase, and adds up each window again from the
 * history.
 */
export class NaiveJudge {
  private readonly sets = new Map<string, RuleSet>()
  private readonly histories = new Map<string, Array<AppliedPurchase>>()

  historyOf(userId: string): Array<AppliedPurchase> {
    return this.histories.get(userId) ?? []
  }

  changeRules(owner: string, sequence: number, text: string): void {
    this.sets.set(owner, decodeRuleSet(text, sequence))
  }

  judge({ sequence, line, userId, revision }: PlacedRevision): Array<Alert> {
    const alerts: Array<Alert> = []
    const history = this.historyOf(userId)
    this.histories.set(userId, history)
    for (const [index, purchase] of revision.purchases.entries()) {
      history.push(purchase)
      if (purchase.reversal !== undefined) continue
      for (const { owner, stored } of this.inOrder()) {
        const { rule, number, ruleId, version } = stored
        if (!this.isInForce(rule, purchase.storedAt) || !isAbout(rule, owner, userId, purchase)) continue
        const measured = this.measured(rule, owner, userId)
        if (!this.isMet(rule, measured)) continue
        const place = { sequence, line, index, ruleNumber: number }
        alerts.push({ ...place, owner, ruleId, ruleVersion: version, rule, userId, purchase, ...measured })
      }
    }
    return alerts
  }

  private inOrder(): Array<{ readonly owner: string; readonly stored: StoredRule }> {
    const all = [...this.sets].flatMap(([owner, { rules }]) => rules.map((stored) => ({ owner, stored })))
    return all.toSorted((one, other) => one.stored.number - other.stored.number)
  }

  private isInForce({ enabled, from, until }: Rule, storedAt: number): boolean {
    return enabled && (from === undefined || from <= storedAt) && (until === undefined || storedAt < until)
  }

  /** Returns the measure of a rule for the newest purchase of a user. */
  private measured(rule: Rule, owner: string, userId: string): Measured {
    const history = this.historyOf(userId)
    const purchase = history.at(-1) as AppliedPurchase
    if (rule.measure === "value") return { before: undefined, after: purchase.valueCents }
    if (rule.measure === "quantity") return { before: undefined, after: BigInt(purchase.quantity) }
    if (rule.measure === "total") return { before: undefined, after: purchaseTotal(purchase) }
    let before = 0n
    for (const earlier of history.slice(0, -1).toReversed()) {
      if (!isRecent(rule, earlier.storedAt, purchase.storedAt)) break
      if (!isAbout(rule, owner, userId, earlier)) continue
      if (rule.measure === "spent") before += entryTotal(earlier)
      else if (earlier.reversal === undefined) before += 1n
    }
    const after = before + (rule.measure === "spent" ? purchaseTotal(purchase) : 1n)
    return { before, after: after > BigInt(measureMax) ? BigInt(measureMax) : after }
  }

  private isMet({ is, threshold }: Rule, { before, after }: Measured): boolean {
    if (is === "equal") return after === threshold
    if (is === "greater-or-equal") return after >= threshold
    if (is === "less-or-equal") return after <= threshold
    return (before ?? 0n) < threshold && threshold <= after
  }
}
