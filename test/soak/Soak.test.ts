import { describe, expect, it } from "vitest"
import { describeGrowth, isTooMuch } from "../../src/harness/soak/Growth.ts"
import { soak, type SoakPlan } from "../../src/harness/soak/Soak.ts"

const warmUp = { milliseconds: 5_000, operationsMin: 1_500, arrivalsMin: 1 }
const load = { milliseconds: 10_000, operationsMin: 3_000, arrivalsMin: 2 }
/** The load under planted leaks, which lasts until each leak is complete; see preload/Forgetting.ts. */
const leakingLoad = { milliseconds: 0, operationsMin: 3_000, arrivalsMin: 1 }

const soaked = async (load: SoakPlan["load"], leaks: SoakPlan["leaks"] = {}) => {
  const outcome = await soak({ seed: 1, warmUp, quietMilliseconds: 5_000, load, leaks })
  console.info(outcome.growth.map(describeGrowth).join("\n"))
  return { ...outcome, grown: outcome.growth.filter(isTooMuch).map(({ name }) => name) }
}

describe("memory and handles of edge, worker and broker", () => {
  it("memory and handles stay bounded while users, actors, readers and workers come and go", async () => {
    const { grown, mistakes, reversals } = await soaked(load)
    expect(grown).toEqual([])
    expect(reversals).toBeGreaterThan(100)
    expect(mistakes).toEqual([])
  }, 600_000)

  it("the soak reports an edge that keeps subscriptions and buffers, and a worker that never frees its actors", async () => {
    const { grown, mistakes } = await soaked(leakingLoad, {
      edge: ["ForgottenSubscriptions", "KeptBuffers"],
      worker: ["EndlessActors"]
    })
    expect(grown).toContain("broker subscriptions")
    expect(grown).toContain("broker heapBytes")
    expect(grown).toContain("edge externalBytes")
    expect(grown).toContain("worker heapBytes")
    // The planted leaks harm nothing else, so no other test would find them.
    expect(mistakes).toEqual([])
  }, 600_000)
})
