import type { Operation, Plan } from "./Plan.ts"
import { type Outcome, type Plant, simulate } from "./Simulation.ts"
import { kind, type Unkindness } from "./World.ts"

/** The most simulated runs in one search for the shortest history of a failure. */
const attemptsMax = 2_000
/**
 * The number of sequences of random network events with which each shortened plan is tried. A change of a plan changes
 * the random events that the run meets.
 */
const chancesTried = 8

export interface Shrunk {
  readonly plan: Plan
  readonly outcome: Outcome
}

/**
 * Yields copies of a list without each of its halves, then without each of its quarters, and so on down to single
 * members.
 */
const shorter = function* <A>(list: ReadonlyArray<A>): Generator<ReadonlyArray<A>> {
  for (let size = Math.ceil(list.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < list.length; from += size) yield [...list.slice(0, from), ...list.slice(from + size)]
  }
}

const fewerRequests = function* (operations: ReadonlyArray<Operation>): Generator<ReadonlyArray<Operation>> {
  for (const [index, operation] of operations.entries()) {
    if (operation.do !== "buy" || operation.requests.length < 2) continue
    for (const requests of shorter(operation.requests)) {
      if (requests.length > 0) yield operations.with(index, { ...operation, requests })
    }
  }
}

const smaller = function* (plan: Plan): Generator<Plan> {
  for (const operations of shorter(plan.operations)) yield { ...plan, operations }
  for (const faults of shorter(plan.faults)) yield { ...plan, faults }
  for (const name of Object.keys(kind) as Array<keyof Unkindness>) {
    if (plan.unkindness[name] > 0) yield { ...plan, unkindness: { ...plan.unkindness, [name]: 0 } }
  }
  for (const operations of fewerRequests(plan.operations)) yield { ...plan, operations }
  if (plan.cleaningEvery > 0) yield { ...plan, cleaningEvery: 0 }
  if (plan.workers > 1) yield { ...plan, workers: 1 }
  if (plan.judges > 0) yield { ...plan, judges: 0 }
}

/**
 * Returns the invariant that a problem breaks. A shortened history must break an invariant that the whole history
 * breaks.
 */
const invariantOf = (problem: string): string => problem.split(" ")[0] ?? ""

/** Shortens a failing plan step by step, as long as the shortened plan breaks the same invariant. */
export const shrink = (failing: Plan, plant?: Plant): Shrunk => {
  let plan = failing
  let outcome = simulate(plan, plant)
  const wanted = new Set(outcome.problems.map(invariantOf))
  let attempts = 0

  const fails = (candidate: Plan): Shrunk | undefined => {
    for (let chance = 0; chance < chancesTried && attempts < attemptsMax; chance += 1) {
      attempts += 1
      const tried = { ...candidate, seed: (candidate.seed + chance * 0x9e37) >>> 0 }
      const result = simulate(tried, plant)
      if (result.problems.some((problem) => wanted.has(invariantOf(problem)))) return { plan: tried, outcome: result }
    }
    return undefined
  }

  for (let isShorter = true; isShorter;) {
    isShorter = false
    for (const candidate of smaller(plan)) {
      const found = fails(candidate)
      if (found === undefined) continue
      ;({ plan, outcome } = found)
      isShorter = true
      break
    }
  }
  return { plan, outcome }
}

/** Returns the shortest history of a failure as text for people: the plan, the events, and the problems. */
export const describeShrunk = (seed: number, { plan, outcome }: Shrunk): string => {
  const dials = Object.entries(plan.unkindness).filter(([, chance]) => chance > 0)
  return [
    `seed ${seed} fails; the shortest history found has ${plan.operations.length} operations, ${plan.faults.length} faults,`,
    `and a network with ${dials.map(([name, chance]) => `${name} ${chance.toFixed(3)}`).join(", ") || "no faults"}:`,
    ...outcome.events,
    "problems:",
    ...outcome.problems.map((problem) => `  ${problem}`)
  ].join("\n")
}
