import { purchaseTotal } from "../account/Purchase.ts"
import type { AppliedPurchase } from "../account/Revision.ts"
import type { Scope } from "./Rule.ts"
import type { WindowCutoff } from "./RuleWindow.ts"
import { WindowState } from "./WindowState.ts"

/** A window state that a revision needs. */
export interface WindowNeed {
  readonly key: string
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  /** The state has to have all purchases of the account behind the newest that is too old for this moment. */
  readonly since: number
}

interface HeldState {
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  readonly state: WindowState
}

/** Returns a text that is the same for the states of equal scopes and windows, and no other. */
export const stateKey = (scope: Scope, windowKey: string): string =>
  scope.kind === "everything" ? `${windowKey}|` : `${windowKey}|${scope.kind}|${scope.name}`

/** Whether a scope has a purchase. */
export const isInScope = (
  scope: Scope,
  { productName, productType }: Pick<AppliedPurchase, "productName" | "productType">
): boolean => {
  if (scope.kind === "everything") return true
  return scope.name === (scope.kind === "product" ? productName : productType)
}

const addTo = (state: WindowState, scope: Scope, purchase: AppliedPurchase): void => {
  if (isInScope(scope, purchase)) state.add(purchase.storedAt, purchaseTotal(purchase))
  else state.pass(purchase.storedAt)
}

/**
 * The window states of one user. Whoever judges holds them between the user's revisions, and may drop them at any time. They
 * are loaded again from the purchases of the account.
 */
export class UserWindows {
  private sequence: number
  private readonly held = new Map<string, HeldState>()

  /** Makes windows without states for a user whose newest revision is in the commit of this sequence; 0 without one. */
  constructor(sequence: number) {
    this.sequence = sequence
  }

  /** The sequence of the newest revision that the states have. */
  get through(): number {
    return this.sequence
  }

  /** The number of purchases that take memory. */
  get entries(): number {
    let entries = 0
    for (const { state } of this.held.values()) entries += state.entries
    return entries
  }

  has({ key, since }: WindowNeed): boolean {
    return this.held.get(key)?.state.reaches(since) ?? false
  }

  /** Returns the state of a key. Throws an Error if it was not loaded. */
  state(key: string): WindowState {
    const held = this.held.get(key)
    if (held === undefined) throw new Error(`The window state ${key} was not loaded.`)
    return held.state
  }

  /** Loads a state from purchases of the account, oldest first: from the newest that is too old on, or more of them. */
  load({ key, scope, cutoff, since }: WindowNeed, purchases: Iterable<AppliedPurchase>): void {
    const state = new WindowState(since)
    for (const purchase of purchases) addTo(state, scope, purchase)
    state.forget(since)
    this.held.set(key, { scope, cutoff, state })
  }

  /** Adds a purchase to all states. */
  add(purchase: AppliedPurchase): void {
    for (const { scope, state } of this.held.values()) addTo(state, scope, purchase)
  }

  /** Ends a revision: drops states that no rule looked at though a purchase was in their scope, and forgets old purchases. */
  settle(sequence: number, purchases: ReadonlyArray<AppliedPurchase>, used: ReadonlySet<string>): void {
    this.sequence = sequence
    const last = purchases.at(-1)
    if (last === undefined) return
    for (const [key, { scope, state, cutoff }] of this.held) {
      if (!used.has(key) && purchases.some((purchase) => isInScope(scope, purchase))) this.held.delete(key)
      else state.forget(cutoff(last.storedAt))
    }
  }
}
