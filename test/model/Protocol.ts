import { passivate, wake, write } from "./ActorSteps.ts"
import { endings, receive, takeOver } from "./EpochSteps.ts"
import type { System } from "../support/Explorer.ts"
import { brokenInvariants, isFinished, positionGoesBack } from "./Invariants.ts"
import { commit, emptyAccount, type Ledger, type Script } from "./Ledger.ts"
import { read } from "./ReadSteps.ts"
import { type Bounds, type Mistake, type Rules, rulesOf } from "./Rules.ts"
import { asFault, disowned, idleWorker, ownerWritten, type Worker, type WorkerSteps } from "./Worker.ts"

const whileRunning = [receive, wake, passivate, write, read]

const workerSteps: WorkerSteps = (rules, ledger, worker) => [
  ...takeOver(rules, ledger, worker),
  ...(worker.phase === "running" ? whileRunning.flatMap((steps) => steps(rules, ledger, worker)) : []),
  ...endings(rules, ledger, worker)
]

type EnvironmentSteps = (rules: Rules, ledger: Ledger) => ReturnType<System<Ledger, Worker>["environment"]>

const publish: EnvironmentSteps = ({ script }, ledger) =>
  ledger.stored < script.length
    ? [{ name: `message ${ledger.stored + 1} is stored`, shared: { ...ledger, stored: ledger.stored + 1 } }]
    : []

/** The janitor. Its position may be an old one; but then it does what it could have done before. */
const purge: EnvironmentSteps = ({ mistakes }, ledger) =>
  ledger.purged < (mistakes.has("purge beyond the position") ? ledger.stored : ledger.position)
    ? [{ name: `message ${ledger.purged + 1} is purged`, shared: { ...ledger, purged: ledger.purged + 1 } }]
    : []

const arriveLate: EnvironmentSteps = ({ broker }, ledger) =>
  ledger.late.map((batch, index) => {
    const committed = commit(ledger, batch, broker)
    return {
      name: `a late batch is ${committed === undefined ? "refused" : "applied"}`,
      shared: { ...(committed ?? ledger), late: ledger.late.toSpliced(index, 1) },
      breaks: positionGoesBack(ledger, committed),
      fault: true
    }
  })

/** What was sent by a worker that died, or waited no longer, before it was answered. */
const writeOwnerLate: EnvironmentSteps = (rules, ledger) =>
  asFault(ledger, { name: "the owner is written late", shared: ownerWritten(rules, ledger), disowns: true })

const environment = [publish, purge, arriveLate, writeOwnerLate]

/** The protocol for one partition: clients that send a script, a broker, a janitor, and two workers. */
export const protocol = (
  script: Script,
  bounds: Bounds,
  ...mistakes: ReadonlyArray<Mistake>
): System<Ledger, Worker> => {
  const rules = rulesOf(script, bounds, mistakes)
  return {
    initial: {
      stored: 0,
      purged: 0,
      position: 0,
      accounts: { ann: emptyAccount, bob: emptyAccount },
      late: [],
      isReading: false,
      faultsLeft: bounds.faults,
      readsLeft: bounds.reads
    },
    idle: idleWorker,
    environment: (ledger) => environment.flatMap((steps) => steps(rules, ledger)),
    steps: (ledger, worker) => workerSteps(rules, ledger, worker),
    disowned: (worker) => disowned(rules, worker),
    broken: (ledger) => brokenInvariants(script, ledger),
    isFinished: (ledger) => isFinished(script, ledger),
    liveness: "finish"
  }
}
