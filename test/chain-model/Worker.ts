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
  /** How many purchases the answer must hold. */
  readonly required: number
  /** The newest input that was dispatched when the leader was asked for a newer one. */
  readonly asked: number | undefined
  /** The newest input, as the leader's answer tells it. */
  readonly barrier: number | undefined
  readonly answer: ReadonlyArray<number> | undefined
  /** The newest input that was dispatched when the answer was taken. */
  readonly through: number
  /** The worker was the owner after the barrier was read. */
  readonly isChecked: boolean
}

export interface InFlight extends Commit {
  /** Before it is published, the segments and rejected records that it refers to are written. */
  readonly outcome: "preparing" | "open" | "stored"
  /** The number of each account's revisions in the chain when it was stored. */
  readonly heads: PerUser<number> | undefined
  /** Its acknowledgement proves to the read that this worker was the owner after the barrier. */
  readonly proves: boolean
}

export interface Worker {
  readonly phase: "idle" | "begun" | "taken" | "restoring" | "running"
  /** The newest sequence of the chain that this worker knows, or has in flight, less the chain's end. */
  readonly ahead: number
  /** The number of each account's revisions at the take-over record. */
  readonly epochHeads: PerUser<number>
  /** The table of heads. */
  readonly table: PerUser<number>
  /** The manifest as this worker last read or wrote it. */
  readonly manifest: Manifest | undefined
  readonly key: number
  /** The heads that the last hint or base held, whether or not its manifest was stored. */
  readonly hinted: PerUser<number>
  /** The writes that a hint or base still needs, in order. */
  readonly job: ReadonlyArray<HeadsWrite>
  /** The newest input that its consumer delivered, and whether a delivery before it was lost. */
  readonly delivered: number
  readonly hasGap: boolean
  readonly dispatched: number
  /** The input up to which everything is in a commit that was sent, and the messages after it. */
  readonly reached: number
  /** The position in the newest commit that it knows. */
  readonly written: number
  readonly inHand: ReadonlyArray<number>
  readonly decided: PerUser<number>
  readonly inFlight: InFlight | undefined
  readonly read: Read | undefined
  /** Accounts that a mistake keeps in memory. Without one they are read from the chain whenever they are needed. */
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

/** Returns the account at a worker's head of it; `undefined` while a segment is missing that it needs. */
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

/** A worker after another message was stored on the chain. */
export const disowned = ({ bounds }: Rules, worker: Worker): Worker =>
  bounds.zombies === "rest" ? { ...idleWorker, job: worker.job } : oneOlder(worker)

/** Makes what is on its way expect an older sequence, and forgets what can never be stored. */
export const chainGrown = ({ mistakes }: Rules, shared: Shared): Shared => ({
  ...shared,
  late: shared.late.map(oneOlder).filter(({ ahead }) => ahead >= 0 || mistakes.has("commit without expectation"))
})

/** Ends the reads of those that a message of somebody else on the chain has turned into idle workers. */
export const readsEnded = ({ bounds }: Rules, shared: Shared): Shared => ({
  ...shared,
  isReading: shared.isReading && bounds.zombies === "act"
})

/** Bounds the commits that are on their way with nobody waiting. Without a mistake no more than one could be stored. */
const lateMax = 1
/** Bounds the writes of heads that are on their way with nobody waiting. */
const lateHeadsMax = 2

/** Leaves a commit on its way, to arrive late or never. */
export const leftOnItsWay = ({ mistakes }: Rules, shared: Shared, { inFlight, ahead }: Worker): Shared => {
  const canArrive = ahead >= 0 || mistakes.has("commit without expectation")
  if (inFlight?.outcome !== "open" || !canArrive || shared.late.length >= lateMax) return shared
  const { position, lines, digest } = inFlight
  return { ...shared, late: [...shared.late, { position, lines, digest, ahead }] }
}

/** Leaves the next write of heads on its way. */
export const headsLeftOnTheirWay = (shared: Shared, { job }: Worker): Shared => {
  const [next] = job
  return next === undefined || shared.lateHeads.length >= lateHeadsMax
    ? shared
    : { ...shared, lateHeads: [...shared.lateHeads, next] }
}

/** Ends an epoch: the worker drops everything that it held. */
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

/** A step that happens a bounded number of times, and that a way to finish must not need. */
export const asFault = <Taken extends Omit<WorkerStep, "worker">>(shared: Shared, step: Taken): ReadonlyArray<Taken> =>
  shared.faultsLeft === 0
    ? []
    : [{ ...step, shared: { ...step.shared, faultsLeft: shared.faultsLeft - 1 }, fault: true }]
