import { describe, expect, it } from "vitest"
import { judgeMistakes } from "../../src/harness/simulation/JudgeMistakes.ts"
import { type Mistake, mistakes } from "../../src/harness/simulation/Mistakes.ts"
import { planOf } from "../../src/harness/simulation/Plan.ts"
import { describeShrunk, shrink } from "../../src/harness/simulation/Shrink.ts"
import { simulate } from "../../src/harness/simulation/Simulation.ts"

const seedsMax = 500
const judgeSeedsMax = 200

const same = <A>(plan: A): A => plan

/** Returns the first seed in which a mistake shows, and the problem; `undefined` if the mistake shows in no seed. */
const firstFailing = ({ breaks, plant, sharpen = same }: Mistake, most = seedsMax) => {
  for (let seed = 1; seed <= most; seed += 1) {
    const { problems } = simulate(sharpen(planOf(seed)), plant)
    const problem = problems.find((found) => breaks.test(found))
    if (problem !== undefined) return { seed, problem, problems }
  }
  return undefined
}

describe("A planted mistake is found:", () => {
  it.for(mistakes)("the simulation finds this mistake: $name", { timeout: 120_000 }, (mistake) => {
    const found = firstFailing(mistake)
    if (found === undefined) return expect.unreachable(`${mistake.name}: not found in ${seedsMax} seeds`)
    console.log(`${mistake.name}: found after ${found.seed} seeds (${found.problem})`)
  })

  it.for(judgeMistakes)(
    "the simulation finds this mistake, which harms no purchase: $name",
    { timeout: 120_000 },
    (mistake) => {
      const found = firstFailing(mistake, judgeSeedsMax)
      if (found === undefined) return expect.unreachable(`${mistake.name}: not found in ${judgeSeedsMax} seeds`)
      console.log(`${mistake.name}: found after ${found.seed} seeds (${found.problem})`)
      // A6: every problem is about alerts.
      expect(found.problems.filter((problem) => !/^(?:A\d|prefix)/.test(problem))).toEqual([])
    }
  )

  it.for([...mistakes, ...judgeMistakes].filter(({ sharpen }) => sharpen !== undefined))(
    "the plans that provoke a mistake find no problem if the mistake is not planted: $name",
    ({ sharpen = same }) => {
      for (let seed = 1; seed <= 20; seed += 1) expect(simulate(sharpen(planOf(seed))).problems).toEqual([])
    }
  )
})

describe("A failing seed", () => {
  it("a failing seed is cut down to a short history that fails in the same way", () => {
    const noBarrier = mistakes.find(({ name }) => name === "9 a read that skips the barrier")
    const seed = noBarrier && firstFailing(noBarrier)?.seed
    if (noBarrier === undefined || seed === undefined) return expect.unreachable()
    const shrunk = shrink(planOf(seed), noBarrier.plant)
    expect(shrunk.outcome.problems.some((problem) => noBarrier.breaks.test(problem))).toBe(true)
    expect(shrunk.plan.operations.length).toBeLessThanOrEqual(3)
    expect(shrunk.plan.faults.length).toBeLessThanOrEqual(2)
    expect(describeShrunk(seed, shrunk)).toContain("I6 stale read")
  })
})
