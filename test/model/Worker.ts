import type { Step } from "../support/Explorer.ts"
import { type Account, type Batch, type BatchContent, type Ledger, purchaseAt, type User } from "./Ledger.ts"
import type { Rules } from "./Rules.ts"

type Actors = Readonly<Record<User, Account | undefined>>

export interface Read {
  readonly user: User
  /** How many purchases the answer has to hold. */
  readonly required: number
  /** What the actors had been given when the leader was asked for something newer. */
  readonly asked: number | undefined
  /** The newest input, as that question was answered. */
  readonly barrier: number | undefined
  readonly answer: ReadonlyArray<number> | undefined
  /** What the actors had been given at the look; it holds until the log is found to have something newer. */
  readonly through: number
  /** The owner's check was made after the look. */
  readonly isChecked: boolean
}

/** The batch that a worker waits for, and what it would send after that. */
export interface InFlight extends Batch {
  readonly outcome: "open" | "applied" | "refused"
  readonly after: ReadonlyArray<BatchContent>
  /** What the actors hold when all of it is committed. */
  readonly evolved: Actors
}

export interface Worker {
  /** Of the two steps before the consumer is created, none, one or both are done. */
  readonly phase: "idle" | "begun" | "ready" | "running"
  /** Whether `owner` is at this worker's epoch. */
  readonly owns: boolean
  /** How far its consumer has delivered, and whether a delivery was lost since the last that came. */
  readonly delivered: number
  readonly hasGap: boolean
  /** Up to where the actors were given everything. */
  readonly dispatched: number
  /** The input up to which everything is in a batch, and the messages after it that are not yet. */
  readonly reached: number
  /** The position that it has written, or began with. */
  readonly written: number
  readonly inHand: ReadonlyArray<number>
  readonly decided: Readonly<Record<User, number>>
  readonly actors: Actors
  readonly inFlight: InFlight | undefined
  readonly read: Read | undefined
}

export type WorkerStep = Step<Ledger, Worker>
export type WorkerSteps = (rules: Rules, ledger: Ledger, worker: Worker) => ReadonlyArray<WorkerStep>

export const idleWorker: Worker = {
  phase: "idle",
  owns: false,
  delivered: 0,
  hasGap: false,
  dispatched: 0,
  reached: 0,
  written: 0,
  inHand: [],
  decided: { ann: 0, bob: 0 },
  actors: { ann: undefined, bob: undefined },
  inFlight: undefined,
  read: undefined
}

/** What of a user a worker has received and not decided. */
export const mailbox = ({ script }: Rules, worker: Worker, user: User): ReadonlyArray<number> =>
  worker.inHand.filter(
    (sequence) => sequence > worker.decided[user] && purchaseAt(script, user, sequence) !== undefined
  )

export const isCommitting = (worker: Worker, user: User): boolean => worker.inFlight?.evolved[user] !== undefined

const withoutGuard = <Sent extends Batch>(batch: Sent): Sent => ({ ...batch, guardHolds: false })

/** A worker after somebody else wrote `owner`. */
export const disowned = ({ bounds }: Rules, worker: Worker): Worker =>
  bounds.zombies === "rest"
    ? idleWorker
    : { ...worker, owns: false, inFlight: worker.inFlight && withoutGuard(worker.inFlight) }

/** Whether a batch that nobody waits for can do anything: one whose guard has failed cannot be told from none. */
const canArrive = ({ broker }: Rules, batch: Batch) => batch.guardHolds || !broker.checksGuard

/** What the broker holds after a write of `owner`. */
export const ownerWritten = (rules: Rules, ledger: Ledger): Ledger => ({
  ...ledger,
  late: ledger.late.map(withoutGuard).filter((batch) => canArrive(rules, batch)),
  isReading: ledger.isReading && rules.bounds.zombies === "act"
})

/** With the guard there is never more than one batch on its way that could be applied; without it, this bounds them. */
const lateMax = 1

/** Leaves a batch on its way, to arrive late or never. */
export const leftOnItsWay = (rules: Rules, ledger: Ledger, { inFlight }: Worker): Ledger => {
  if (inFlight?.outcome !== "open" || !canArrive(rules, inFlight) || ledger.late.length >= lateMax) return ledger
  const { writes, position, guardHolds } = inFlight
  return { ...ledger, late: [...ledger.late, { writes, position, guardHolds }] }
}

/** The end of an epoch: everything that it held is dropped. */
export const over = (rules: Rules, ledger: Ledger, worker: Worker, name: string): WorkerStep => ({
  name,
  shared: { ...leftOnItsWay(rules, ledger, worker), isReading: ledger.isReading && worker.read === undefined },
  worker: rules.mistakes.has("actors kept") ? { ...idleWorker, actors: worker.actors } : idleWorker
})

/** A step that happens only so often, and that nothing may depend on. */
export const asFault = <Taken extends Omit<WorkerStep, "worker">>(ledger: Ledger, step: Taken): ReadonlyArray<Taken> =>
  ledger.faultsLeft === 0
    ? []
    : [{ ...step, shared: { ...step.shared, faultsLeft: ledger.faultsLeft - 1 }, fault: true }]
