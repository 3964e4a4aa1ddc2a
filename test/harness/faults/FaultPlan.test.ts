import { describe, expect, it } from "vitest"
import { countsOf, faultKinds, lease, planFaults, type PlanOptions } from "../../../src/harness/faults/FaultPlan.ts"

const hour: PlanOptions = { seed: 1, minutes: 60, isCluster: false, hasSmallDisk: true }
const seeds = Array.from({ length: 50 }, (_, index) => index + 1)

const kindsOf = (options: PlanOptions) => [...countsOf(planFaults(options)).keys()].toSorted()
const clusterKinds = ["frozen broker", "isolated broker", "isolated leader", "leaders step down"]

describe("A plan of faults", () => {
  it("the same seed gives the same plan, and another seed gives another plan", () => {
    expect(planFaults(hour)).toEqual(planFaults(hour))
    expect(planFaults({ ...hour, seed: 2 })).not.toEqual(planFaults(hour))
  })

  it("a plan has more than 1,000 kills in an hour", () => {
    const counts = countsOf(planFaults(hour))
    const killed = ["kill -9 of a worker", "kill -9 of an edge", "kill -9 of a broker"] as const
    for (const kind of killed) expect(counts.get(kind)).toBeGreaterThan(50)
    expect(killed.reduce((sum, kind) => sum + (counts.get(kind) ?? 0), 0)).toBe(1_080)
  })

  it("a plan of two minutes has faults of all kinds, for any seed", () => {
    for (const seed of seeds) {
      const some = { ...hour, seed, minutes: 2 }
      const ofOneBroker = faultKinds.filter((kind) => !clusterKinds.includes(kind)).toSorted()
      expect(kindsOf(some)).toEqual(ofOneBroker)
      expect(kindsOf({ ...some, hasSmallDisk: false })).toEqual(ofOneBroker.filter((kind) => kind !== "full disk"))
    }
    expect(kindsOf({ ...hour, isCluster: true })).toEqual(faultKinds.toSorted())
  })

  it("a plan has freezes of twice the lease, cuts of 5 to 60 s, and a worker that starts or stops each 3 s", () => {
    const faults = planFaults(hour).tracks.flat()
    const lasting = (kind: RegExp) => faults.filter((fault) => kind.test(fault.kind)).map(({ lasts }) => lasts)
    expect(Math.min(...lasting(/frozen worker/))).toBeGreaterThanOrEqual(2 * lease)
    expect(Math.min(...lasting(/^cut/))).toBeGreaterThanOrEqual(5_000)
    expect(Math.max(...lasting(/^cut/))).toBeGreaterThan(50_000)
    expect(Math.max(...lasting(/^cut/))).toBeLessThanOrEqual(60_000)
    const churn = faults.filter(({ kind }) => kind === "worker joins" || kind === "worker leaves")
    expect(churn.map(({ at }) => at)).toEqual(churn.map((_, index) => 5_000 + 3_000 * index))
    expect(churn.every(({ kind }, index) => kind === (index % 2 === 0 ? "worker joins" : "worker leaves"))).toBe(true)
  })

  it("a plan has the faults of each track in order, and its last fault ends in time", () => {
    for (const seed of seeds) {
      const { tracks, lasts } = planFaults({ seed, minutes: 3, isCluster: true, hasSmallDisk: true })
      for (const track of tracks) {
        for (const [index, { at, lasts: length }] of track.entries()) {
          expect(at + length).toBeLessThanOrEqual(track[index + 1]?.at ?? lasts)
        }
      }
    }
  })
})
