import type { Step } from "../support/Explorer.ts"
import { leftOnItsWay, type Place, type Position, type Shared, type Write } from "./AlertStream.ts"
import { perUser, type PerUser, type Script } from "./Ledger.ts"

/** A rule of the judges that is left out or done wrong. */
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
  /** The number of crashes, lost deliveries and unknown outcomes together. */
  readonly faults: number
  /** The number of messages of alerts that a batch may have. A judge takes any of these bounds, as its software says. */
  readonly messagesMax: ReadonlyArray<number>
  /** The number of shards; 1 without this bound. */
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
  /** The place up to which everything is written. */
  readonly at: Place
  /** The rules that the judge began with are those of the ledger up to this sequence. */
  readonly rulesAt: number
  /** The newest entry that the consumer delivered, and whether an earlier delivery was lost. */
  readonly delivered: number
  readonly hasGap: boolean
  /** The entries whose loss a mistake ignores. */
  readonly missed: ReadonlyArray<number>
  /** The newest value of rules from a second consumer, which only a mistake has. */
  readonly rulesDelivered: number
  /** Whether a mistake turns the order of owners, or the shards of users. */
  readonly isTurned: boolean
  /** The writes in flight. Only the first one is sent, and the next one is sent after its answer. */
  readonly writes: ReadonlyArray<Write>
  /** The place that the writes in flight reach. */
  readonly to: Place
  /** Whether the broker has stored the first write, and the position after that. */
  readonly isStored: boolean
  readonly storedAs: Position | undefined
  /** The counts that a mistake keeps in memory. Without a mistake, they are counted from the ledger when needed. */
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

/** Drops everything that a judge holds. Its write may be in flight still. */
export const over = ({ mistakes }: Rules, shared: Shared, judge: Judge, name: string): JudgeStep => ({
  name,
  shared: judge.isStored ? shared : leftOnItsWay(shared, judge.writes[0]),
  worker: mistakes.has("windows kept after a refused write") ? { ...idleJudge, counts: judge.counts } : idleJudge
})

/** A step that can happen a bounded number of times. The model must be able to finish without this step. */
export const asFault = (shared: Shared, step: JudgeStep): ReadonlyArray<JudgeStep> =>
  shared.faultsLeft === 0
    ? []
    : [{ ...step, shared: { ...step.shared, faultsLeft: shared.faultsLeft - 1 }, fault: true }]
