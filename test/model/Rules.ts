import type { BrokerRules, Script } from "./Ledger.ts"

/** What can be left out of the protocol, or done wrong in it. */
export type Mistake =
  | "set not loaded"
  | "set after account"
  | "set before account"
  | "position before accounts"
  | "deciding beyond a gap"
  | "unknown taken for success"
  | "tried again in the epoch"
  | "no expected revisions"
  | "no guard"
  | "purge beyond the position"
  | "read without barrier"
  | "owner checked before the log is read"
  | "read trusts a log without anything newer"
  | "read without owner check"
  | "position read before owner"
  | "actors kept"
  | "account from a replica"
  | "newest input from a replica"

export interface Bounds {
  /** Crashes, lost deliveries, unknown outcomes, epochs begun anew, late owner writes and passivations together. */
  readonly faults: number
  readonly reads: number
  /**
   * Whether a worker that has lost its ownership goes on. Where the broker refuses each of its batches and the owner's
   * check each of its answers, nobody sees what it does, so that it may as well be idle; this is what makes room for
   * longer scripts. Of a protocol with a mistake that says nothing.
   */
  readonly zombies: "act" | "rest"
  /** Everything is written in batches: to see what the expected revisions hold by themselves, which only those have. */
  readonly batchesOnly?: true
}

export interface Rules {
  readonly script: Script
  readonly bounds: Bounds
  readonly mistakes: ReadonlySet<Mistake>
  readonly broker: BrokerRules
}

export const rulesOf = (script: Script, bounds: Bounds, planted: ReadonlyArray<Mistake>): Rules => {
  const mistakes = new Set(planted)
  const broker = {
    checksGuard: !mistakes.has("no guard"),
    checksRevisions: !mistakes.has("no expected revisions"),
    keepsOlder: mistakes.has("account from a replica")
  }
  return { script, bounds, mistakes, broker }
}
