import type { Step } from "../support/Explorer.ts"
import {
  type Commit,
  noRevision,
  oneOlder,
  perUser,
  type PerUser,
  purchaseAt,
  type Revision,
  type Shared,
  type User
} from "./Chain.ts"
import type { HeadsWrite, Manifest } from "./Heads.ts"
import type { Rules } from "./Rules.ts"

export interface Read {
  readonly user: User
  /** The number of purchases that the answer must hold. */
  readonly required: number
  /** The newest dispatched input at the time of the question to the leader. */
  readonly asked: number | undefined
  /** The newest input that the leader's answer names. */
  readonly barrier: number | undefined
  readonly answer: ReadonlyArray<number> | undefined
  /** The newest dispatched input at the time of the leader's answer. */
  readonly through: number
  /** Whether the worker was the owner after the barrier was read. */
  readonly isChecked: boolean
}

export interface InFlight extends Commit {
  /** Before a commit is published, the segments and rejected records that it names are written. */
  readonly outcome: "preparing" | "open" | "stored"
  /** The number of revisions of each account in the chain when the commit was stored. */
  readonly heads: PerUser<number> | undefined
  /** Whether the acknowledgement of the commit proves that this worker was the owner after the barrier of its read. */
  readonly proves: boolean
}

export interface Worker {
  readonly phase: "idle" | "begun" | "taken" | "restoring" | "running"
  /** The newest sequence of the chain that this worker knows or has in flight, minus the last sequence of the chain. */
  readonly ahead: number
  /** The number of revisions of each account at the take-over record. */
  readonly epochHeads: PerUser<number>
  /** The table of heads of the worker's epoch. */
  readonly table: PerUser<number>
  /** The manifest that this worker read or wrote last. */
  readonly manifest: Manifest | undefined
  readonly key: number
  /** The heads in the last hint or base, whether or not its manifest was stored. */
  readonly hinted: PerUser<number>
  /** The remaining writes of a hint or base, in order. */
  readonly job: ReadonlyArray<HeadsWrite>
  /** The newest input that its consumer delivered, and whether an earlier delivery was lost. */
  readonly delivered: number
  readonly hasGap: boolean
  readonly dispatched: number
  /** The input up to which everything is in a sent commit, and the messages after that input. */
  readonly reached: number
  /** The position in the newest commit that the worker knows. */
  readonly written: number
  readonly inHand: ReadonlyArray<number>
  readonly decided: PerUser<number>
  readonly inFlight: InFlight | undefined
  readonly read: Read | undefined
  /** Accounts that a mistake keeps in memory. Without a mistake, they are read from the chain when needed. */
  readonly kept: PerUser<Revision | undefined>
}

export type WorkerStep = Step<Shared, Worker>
export type WorkerSteps = (rules: Rules, shared: Shared, worker: Worker) => ReadonlyArray<WorkerStep>

const nothing = perUser(() => 0)

export const idleWorker: Worker = {
  phase: "idle",
  ahead: -1,
  epochHeads: nothing,
  table: nothing,
  manifest: undefined,
  key: 0,
  hinted: nothing,
  job: [],
  delivered: 0,
  hasGap: false,
  dispatched: 0,
  reached: 0,
  written: 0,
  inHand: [],
  decided: nothing,
  inFlight: undefined,
  read: undefined,
  kept: perUser(() => undefined)
}

/** Returns the messages of a user that a worker has received and not decided. */
export const mailbox = ({ script }: Rules, worker: Worker, user: User): ReadonlyArray<number> =>
  worker.inHand.filter(
    (sequence) => sequence > worker.decided[user] && purchaseAt(script, user, sequence) !== undefined
  )

export const isCommitting = ({ inFlight }: Worker, user: User): boolean => inFlight?.lines[user] !== undefined

/** Returns the account at its head in a worker; `undefined` while a segment that it needs is missing. */
export const accountOf = (shared: Shared, worker: Worker, user: User): Revision | undefined => {
  const kept = worker.kept[user]
  if (kept !== undefined) return kept
  return loadedAccount(shared, worker, user)
}

export const segmentName = (user: User, entries: ReadonlyArray<number>): string => `segment ${user} ${entries.join()}`
const isSegment = (name: string) => name.startsWith("segment")

/** Reads an account from the chain. */
export const loadedAccount = (shared: Shared, worker: Worker, user: User): Revision | undefined => {
  const head = worker.table[user]
  if (head === 0) return noRevision
  const revision = shared.revisions[user][head - 1]
  const isReadable = revision?.refers.every((name) => !isSegment(name) || shared.written.includes(name))
  return isReadable === true ? revision : undefined
}

/** Returns a worker after another message was stored on the chain. */
export const disowned = ({ bounds }: Rules, worker: Worker): Worker =>
  bounds.zombies === "rest" ? { ...idleWorker, job: worker.job } : oneOlder(worker)

/** Makes the expectations of writes in flight older. Drops writes that can never be stored. */
export const chainGrown = ({ mistakes }: Rules, shared: Shared): Shared => ({
  ...shared,
  late: shared.late.map(oneOlder).filter(({ ahead }) => ahead >= 0 || mistakes.has("commit without expectation"))
})

/** Ends the reads of workers that stopped because another worker's message was stored. */
export const readsEnded = ({ bounds }: Rules, shared: Shared): Shared => ({
  ...shared,
  isReading: shared.isReading && bounds.zombies === "act"
})

/**
 * Bounds the commits in flight without a waiting sender. Without a mistake, at most one of these commits could be
 * stored.
 */
const lateMax = 1
/** Bounds the writes of heads in flight without a waiting sender. */
const lateHeadsMax = 2

/** Leaves a commit in flight, which may arrive late or never. */
export const leftOnItsWay = ({ mistakes }: Rules, shared: Shared, { inFlight, ahead }: Worker): Shared => {
  const canArrive = ahead >= 0 || mistakes.has("commit without expectation")
  if (inFlight?.outcome !== "open" || !canArrive || shared.late.length >= lateMax) return shared
  const { position, lines, digest } = inFlight
  return { ...shared, late: [...shared.late, { position, lines, digest, ahead }] }
}

/** Leaves the next write of heads in flight. */
export const headsLeftOnTheirWay = (shared: Shared, { job }: Worker): Shared => {
  const [next] = job
  return next === undefined || shared.lateHeads.length >= lateHeadsMax
    ? shared
    : { ...shared, lateHeads: [...shared.lateHeads, next] }
}

/** Ends an epoch. A worker whose epoch ends drops everything that it held. */
export const over = (rules: Rules, shared: Shared, worker: Worker, name: string): WorkerStep => {
  const left = headsLeftOnTheirWay(leftOnItsWay(rules, shared, worker), worker)
  const kept = rules.mistakes.has("accounts kept across an epoch")
    ? perUser((user) => (worker.phase === "running" ? accountOf(shared, worker, user) : worker.kept[user]))
    : idleWorker.kept
  return {
    name,
    shared: { ...left, isReading: left.isReading && worker.read === undefined },
    worker: { ...idleWorker, kept }
  }
}

/**
 * A step that can happen a bounded number of times. The model must be able to finish without a step that is a fault.
 */
export const asFault = <Taken extends Omit<WorkerStep, "worker">>(shared: Shared, step: Taken): ReadonlyArray<Taken> =>
  shared.faultsLeft === 0
    ? []
    : [{ ...step, shared: { ...step.shared, faultsLeft: shared.faultsLeft - 1 }, fault: true }]
