import { describe, expect, it } from "vitest"
import { mistakes } from "./Mistakes.ts"
import { planOf } from "./Plan.ts"
import { describeShrunk, shrink } from "./Shrink.ts"
import { simulate } from "./Simulation.ts"

const seedsMax = 500

const same = <A>(plan: A): A => plan

describe("A planted mistake is found:", () => {
  it.for(mistakes)("$name", { timeout: 120_000 }, ({ name, breaks, plant, sharpen = same }) => {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const problem = simulate(sharpen(planOf(seed)), plant).problems.find((found) => breaks.test(found))
      if (problem === undefined) continue
      console.log(`${name}: found after ${seed} seeds (${problem})`)
      return
    }
    expect.unreachable(`${name}: not found in ${seedsMax} seeds`)
  })

  it.for(mistakes.filter(({ sharpen }) => sharpen !== undefined))("not without it: $name", ({ sharpen = same }) => {
    for (let seed = 1; seed <= 20; seed += 1) expect(simulate(sharpen(planOf(seed))).problems).toEqual([])
  })
})

describe("A failing seed", () => {
  it("is cut down to a history that is short, and fails in the same way", () => {
    const [notLoaded] = mistakes
    if (notLoaded === undefined) return expect.unreachable()
    const plan = planOf(1)
    const shrunk = shrink(plan, notLoaded.plant)
    expect(shrunk.outcome.problems.some((problem) => notLoaded.breaks.test(problem))).toBe(true)
    expect(shrunk.plan.operations.length).toBeLessThanOrEqual(3)
    expect(shrunk.plan.faults.length).toBeLessThanOrEqual(2)
    expect(describeShrunk(1, shrunk)).toContain("I2 doubled")
  })
})
