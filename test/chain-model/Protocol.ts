import type { System } from "../support/Explorer.ts"
import { append, type Script, type Shared } from "./Chain.ts"
import { commit } from "./CommitSteps.ts"
import { endings, receive, startEpoch } from "./EpochSteps.ts"
import { noManifest } from "./Heads.ts"
import { headsFaults, writeBehind } from "./HeadsSteps.ts"
import { brokenInvariants, isFinished, positionGoesBack } from "./Invariants.ts"
import { read } from "./ReadSteps.ts"
import type { Bounds, Mistake, Rules } from "./Rules.ts"
import { asFault, chainGrown, disowned, idleWorker, readsEnded, type Worker, type WorkerSteps } from "./Worker.ts"

const whileRunning = [receive, commit, read]

const workerSteps: WorkerSteps = (rules, shared, worker) => [
  ...startEpoch(rules, shared, worker),
  ...(worker.phase === "running" ? whileRunning.flatMap((steps) => steps(rules, shared, worker)) : []),
  ...writeBehind(rules, shared, worker),
  ...endings(rules, shared, worker)
]

type EnvironmentSteps = (rules: Rules, shared: Shared) => ReturnType<System<Shared, Worker>["environment"]>

const publish: EnvironmentSteps = ({ script }, shared) =>
  shared.stored < script.length
    ? [{ name: `message ${shared.stored + 1} is stored`, shared: { ...shared, stored: shared.stored + 1 } }]
    : []

/** Purges as the janitor does, up to the present position. A janitor with an older position would only purge less. */
const purge: EnvironmentSteps = ({ mistakes, bounds }, shared) =>
  bounds.keepsInput !== true &&
  shared.purged < (mistakes.has("purge beyond the position") ? shared.stored : shared.position)
    ? [{ name: `message ${shared.purged + 1} is purged`, shared: { ...shared, purged: shared.purged + 1 } }]
    : []

/**
 * Lets a commit arrive whose sender no longer waits. If the expectation of such a commit fails now, a later sequence of
 * the chain may still match.
 */
const arriveLate: EnvironmentSteps = (rules, shared) =>
  shared.late.map((late, index) => {
    const others: Shared = { ...shared, late: shared.late.toSpliced(index, 1) }
    if (late.ahead !== 0 && !rules.mistakes.has("commit without expectation")) {
      return { name: "a late commit is refused", shared: others, fault: true }
    }
    const after = readsEnded(rules, chainGrown(rules, append(others, late)))
    return {
      name: `a late commit is stored, position ${late.position}`,
      shared: after,
      disowns: true,
      fault: true,
      breaks: positionGoesBack(shared, after)
    }
  })

/** A take-over record of a worker that died or stopped waiting before the answer. */
const takeOverLate: EnvironmentSteps = (rules, shared) =>
  asFault(shared, {
    name: "a take-over record is stored late",
    shared: readsEnded(rules, chainGrown(rules, shared)),
    disowns: true
  })

const environment = [publish, purge, arriveLate, takeOverLate, headsFaults]

const initial = (bounds: Bounds): Shared => ({
  stored: 0,
  purged: 0,
  position: 0,
  revisions: { ann: [], bob: [] },
  digest: { ann: 0, bob: 0 },
  written: [],
  late: [],
  heads: { manifest: noManifest, older: undefined, blobs: [], hasLost: false },
  lateHeads: [],
  isReading: false,
  faultsLeft: bounds.faults,
  readsLeft: bounds.reads,
  headsLeft: bounds.heads ?? 0
})

/** The protocol for one partition: clients that send a script, a broker, a janitor, and two workers. */
export const protocol = (
  script: Script,
  bounds: Bounds,
  ...mistakes: ReadonlyArray<Mistake>
): System<Shared, Worker> => {
  const rules: Rules = { script, bounds, mistakes: new Set(mistakes) }
  return {
    initial: initial(bounds),
    idle: idleWorker,
    environment: (shared) => environment.flatMap((steps) => steps(rules, shared)),
    steps: (shared, worker) => workerSteps(rules, shared, worker),
    disowned: (worker) => disowned(rules, worker),
    broken: (shared) => brokenInvariants(script, shared),
    isFinished: (shared) => isFinished(script, shared),
    liveness: "I7"
  }
}
