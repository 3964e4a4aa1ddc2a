import type { Step, System } from "../support/Explorer.ts"
import { isAccepted, isFinished, type Shared, store } from "./AlertStream.ts"
import { brokenByWrite, brokenInvariants } from "./Invariants.ts"
import { type Bounds, idleJudge, type Judge, type Mistake, type Rules } from "./Judge.ts"
import { judgeSteps } from "./JudgeSteps.ts"
import { perUser, type Script } from "./Ledger.ts"

type EnvironmentSteps = (rules: Rules, shared: Shared) => ReadonlyArray<Omit<Step<Shared, Judge>, "worker">>

const publish: EnvironmentSteps = ({ script }, shared) =>
  shared.stored < script.length
    ? [{ name: `entry ${shared.stored + 1} is stored`, shared: { ...shared, stored: shared.stored + 1 } }]
    : []

/** Lets a write arrive at the broker whose sender no longer waits. */
const arriveLate: EnvironmentSteps = (_rules, shared) =>
  shared.late.map((write, index) => {
    const others: Shared = { ...shared, late: shared.late.toSpliced(index, 1) }
    if (!isAccepted(shared, write)) return { name: "a late write is refused", shared: others, fault: true }
    const about = write.alerts.map(({ owner, purchase }) => `${owner} of "${purchase}"`).join(", ")
    return {
      name: `a late write is stored: ${about || "a position"}`,
      shared: store(others, write),
      fault: true,
      breaks: brokenByWrite(shared, write)
    }
  })

const initial = ({ faults, shards = 1 }: Bounds): Shared => ({
  stored: 0,
  positions: Array.from({ length: shards }, () => undefined),
  alerts: perUser(() => []),
  late: [],
  faultsLeft: faults
})

/**
 * Makes the model: two judges of the same shards, and a ledger that grows by a script. Either judge may judge any shard
 * at any time.
 */
export const judging = (script: Script, bounds: Bounds, ...mistakes: ReadonlyArray<Mistake>): System<Shared, Judge> => {
  const rules: Rules = { script, bounds, mistakes: new Set(mistakes) }
  return {
    initial: initial(bounds),
    idle: idleJudge,
    workerName: "judge",
    environment: (shared) => [...publish(rules, shared), ...arriveLate(rules, shared)],
    steps: (shared, judge) => judgeSteps(rules, shared, judge),
    disowned: (judge) => judge,
    broken: (shared) => brokenInvariants(script, shared),
    isFinished: (shared) => isFinished(script, shared),
    liveness: "A8"
  }
}
