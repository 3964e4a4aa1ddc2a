import { entryTotal } from "../account/Entry.ts"
import type { AppliedPurchase } from "../account/Revision.ts"
import type { Scope } from "./Rule.ts"
import type { WindowCutoff } from "./RuleWindow.ts"
import { WindowState } from "./WindowState.ts"

/** A window state that the judgement of a revision needs. */
export interface WindowNeed {
  readonly key: string
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  /**
   * The window state needs all purchases of the account after the newest purchase that was stored at or before the time
   * `since`.
   */
  readonly since: number
}

interface HeldState {
  readonly scope: Scope
  readonly cutoff: WindowCutoff
  readonly state: WindowState
}

/**
 * The memory of a window state without its ring of purchases, as a number of purchases that would take the same memory.
 */
const roomOfState = 16

/**
 * Returns the key of a window state. Window states of one user have the same key exactly if they have the same scope
 * and the same window.
 */
export const stateKey = (scope: Scope, windowKey: string): string =>
  scope.kind === "everything" ? `${windowKey}|` : `${windowKey}|${scope.kind}|${scope.name}`

/** Returns whether a purchase is in a scope. */
export const isInScope = (
  scope: Scope,
  { productName, productType }: Pick<AppliedPurchase, "productName" | "productType">
): boolean => {
  if (scope.kind === "everything") return true
  return scope.name === (scope.kind === "product" ? productName : productType)
}

const addTo = (state: WindowState, scope: Scope, purchase: AppliedPurchase): void => {
  if (isInScope(scope, purchase)) state.add(purchase.storedAt, entryTotal(purchase))
  else state.pass(purchase.storedAt)
}

/**
 * Holds the window states of one user. The caller of {@link Judgement} keeps the window states between two revisions of
 * the user, and may drop the states at any time. The caller loads dropped window states again from the purchases of the
 * account.
 */
export class UserWindows {
  private sequence: number
  private readonly held = new Map<string, HeldState>()

  /**
   * Makes empty window states for a user. `sequence` is the sequence of the commit with the user's newest revision; 0
   * for a user without a revision.
   */
  constructor(sequence: number) {
    this.sequence = sequence
  }

  /** The sequence of the commit with the newest revision whose purchases were added to the window states. */
  get through(): number {
    return this.sequence
  }

  /** The number of purchases in the rings of all window states of the user. */
  get entries(): number {
    let entries = 0
    for (const { state } of this.held.values()) entries += state.entries
    return entries
  }

  /**
   * The memory of all window states of the user, in units of one purchase (16 bytes); 0 if the user has no window
   * state.
   */
  get room(): number {
    let room = 0
    for (const { state } of this.held.values()) room += state.room + roomOfState
    return room
  }

  has({ key, since }: WindowNeed): boolean {
    return this.held.get(key)?.state.reaches(since) ?? false
  }

  /** Returns the window state with a key. Throws an Error if the state was not loaded. */
  state(key: string): WindowState {
    const held = this.held.get(key)
    if (held === undefined) throw new Error(`The window state ${key} was not loaded.`)
    return held.state
  }

  /**
   * Loads a window state from purchases of the account, oldest first. The first of the given purchases must not come
   * after the newest purchase of the account that was stored at or before `since`.
   */
  load({ key, scope, cutoff, since }: WindowNeed, purchases: Iterable<AppliedPurchase>): void {
    const state = new WindowState(since)
    for (const purchase of purchases) addTo(state, scope, purchase)
    state.forget(since)
    this.held.set(key, { scope, cutoff, state })
  }

  /** Adds a purchase or a reversal to all window states of the user. */
  add(purchase: AppliedPurchase): void {
    for (const { scope, state } of this.held.values()) addTo(state, scope, purchase)
  }

  /**
   * Called when a revision is judged. Drops a window state if its scope has a purchase of the revision, and no rule
   * used the window state. No rule uses a window state for a reversal. Removes purchases that are too old from all
   * other window states.
   */
  settle(sequence: number, purchases: ReadonlyArray<AppliedPurchase>, used: ReadonlySet<string>): void {
    this.sequence = sequence
    const last = purchases.at(-1)
    if (last === undefined) return
    for (const [key, { scope, state, cutoff }] of this.held) {
      const isBought = (entry: AppliedPurchase) => entry.reversal === undefined && isInScope(scope, entry)
      if (!used.has(key) && purchases.some(isBought)) this.held.delete(key)
      else state.forget(cutoff(last.storedAt))
    }
  }
}
