import type { Step } from "../support/Explorer.ts"
import { leftOnItsWay, type Place, type Position, type Shared, type Write } from "./AlertStream.ts"
import { perUser, type PerUser, type Script } from "./Ledger.ts"

/** A planted mistake: a rule of the protocol that the judges break. */
export type Mistake =
  | "position written before the alerts"
  | "position written after the alerts"
  | "position without expectation"
  | "rules as they are now"
  | "rules and commits from two consumers"
  | "gap ignored"
  | "unknown taken for success"
  | "windows kept after a refused write"
  | "written messages ignored"
  | "owners in another order"
  | "another hash of users"
  | "first position at the end of the ledger"
  | "tried again under the same expectation"

export interface Bounds {
  /** The most crashes, lost deliveries and unknown outcomes together in one history. */
  readonly faults: number
  /**
   * The bounds on the messages with alerts in a batch. A judge uses any of these bounds, as different versions of the
   * software would.
   */
  readonly messagesMax: ReadonlyArray<number>
  /** The number of shards; 1 if the number is missing. */
  readonly shards?: number
}

export interface Rules {
  readonly script: Script
  readonly bounds: Bounds
  readonly mistakes: ReadonlySet<Mistake>
}

export interface Judge {
  readonly phase: "idle" | "placed" | "running"
  readonly shard: number
  /** The position that this judge has read or written last. */
  readonly expected: Position | undefined
  /** The place up to which all alerts are stored. */
  readonly at: Place
  /** The sequence of the ledger up to which the judge read the rules when it began. */
  readonly rulesAt: number
  /** The newest entry that the consumer delivered, and whether an earlier delivery was lost. */
  readonly delivered: number
  readonly hasGap: boolean
  /** The sequences of lost entries that a judge with a planted mistake ignores. */
  readonly missed: ReadonlyArray<number>
  /** The newest value of rules from a second consumer, which only a judge with a planted mistake has. */
  readonly rulesDelivered: number
  /** Whether a planted mistake reverses the order of the owners, or the shards of the users. */
  readonly isTurned: boolean
  /**
   * The writes of the judge that are not answered yet. Only the first write is sent, and each further write is sent
   * after the answer to the write before.
   */
  readonly writes: ReadonlyArray<Write>
  /** The place up to which the alerts are stored after these writes. */
  readonly to: Place
  /** Whether the broker has stored the first write. `storedAs` is the position after that write. */
  readonly isStored: boolean
  readonly storedAs: Position | undefined
  /**
   * The counts that a judge with a planted mistake keeps in memory. A judge without a mistake counts from the ledger
   * when it needs a count.
   */
  readonly counts: PerUser<number | undefined>
}

export type JudgeStep = Step<Shared, Judge>
export type JudgeSteps = (rules: Rules, shared: Shared, judge: Judge) => ReadonlyArray<JudgeStep>

export const start: Place = { through: 0, messages: 0 }

export const idleJudge: Judge = {
  phase: "idle",
  shard: 0,
  expected: undefined,
  at: start,
  rulesAt: 0,
  delivered: 0,
  hasGap: false,
  missed: [],
  rulesDelivered: 0,
  isTurned: false,
  writes: [],
  to: start,
  isStored: false,
  storedAs: undefined,
  counts: perUser(() => undefined)
}

/** Drops everything that a judge has in memory. The judge's write may still be in flight. */
export const over = ({ mistakes }: Rules, shared: Shared, judge: Judge, name: string): JudgeStep => ({
  name,
  shared: judge.isStored ? shared : leftOnItsWay(shared, judge.writes[0]),
  worker: mistakes.has("windows kept after a refused write") ? { ...idleJudge, counts: judge.counts } : idleJudge
})

/** A step that can happen a bounded number of times. The model must be able to finish without the bounded step. */
export const asFault = (shared: Shared, step: JudgeStep): ReadonlyArray<JudgeStep> =>
  shared.faultsLeft === 0
    ? []
    : [{ ...step, shared: { ...step.shared, faultsLeft: shared.faultsLeft - 1 }, fault: true }]
