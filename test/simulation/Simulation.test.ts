import { describe, expect, it, vi } from "vitest"
import { decodeNotices, encodeNotices } from "../../src/protocol/AppliedNotice.ts"
import { fatalOperations, planOf } from "../../src/harness/simulation/Plan.ts"
import { runSeeds } from "../../src/harness/simulation/Seeds.ts"
import { describeShrunk, shrink } from "../../src/harness/simulation/Shrink.ts"
import { type Plant, simulate } from "../../src/harness/simulation/Simulation.ts"
import { kind } from "../../src/harness/simulation/World.ts"

const seeds = 2_000
const threads = 2

describe("The simulation", () => {
  it("the simulation of one seed is the same each time, and the simulation of another seed differs", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { events } = simulate(planOf(seed))
      expect(events.length).toBeGreaterThan(20)
      expect(simulate(planOf(seed)).events).toEqual(events)
      expect(simulate(planOf(seed + 1)).events).not.toEqual(events)
    }
  })

  it("the simulation uses neither the machine's clock nor its random numbers", () => {
    const { events } = simulate(planOf(7))
    const asked: Array<string> = []
    const spies = [
      vi.spyOn(Date, "now").mockImplementation(() => asked.push("Date.now")),
      vi.spyOn(performance, "now").mockImplementation(() => asked.push("performance.now")),
      vi.spyOn(Math, "random").mockImplementation(() => asked.push("Math.random"))
    ]
    try {
      expect(simulate(planOf(7)).events).toEqual(events)
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
    expect(asked).toEqual([])
  })

  it.each([
    ["the older", 0],
    ["the newer", 0.9]
  ])("when %s of two workers under one name ends, the other worker has the partitions", (_which, choice) => {
    const faults = [{ at: 500, kind: "a worker is replaced under its name", choice, lasts: 1_500 }] as const
    const plan = { ...planOf(1), unkindness: kind, cleaningEvery: 0, workers: 1, faults }
    expect(simulate(plan).problems).toEqual([])
  })

  it("most clients get the notice of their purchase, and the other clients have to ask for its outcome", () => {
    const told = { applied: 0, stored: 0 }
    for (let seed = 1; seed <= 50; seed += 1) {
      const run = simulate(planOf(seed))
      told.applied += run.told.applied
      told.stored += run.told.stored
    }
    expect(told.applied).toBeGreaterThan(told.stored)
    expect(told.stored).toBeGreaterThan(50)
  })

  it("workers of nearly every run write hints, bases and segments, die during writes, and decide reversals", () => {
    const runs = 200
    const written = { segment: 0, hint: 0, base: 0, manifest: 0 }
    const died = new Set<string>()
    const reversed = { applied: 0, refused: 0 }
    for (let seed = 1; seed <= runs; seed += 1) {
      const { wrote, events, reversals } = simulate(planOf(seed))
      for (const kind of ["applied", "refused"] as const) if (reversals[kind] > 0) reversed[kind] += 1
      for (const kind of ["segment", "hint", "base", "manifest"] as const) if (wrote[kind] > 0) written[kind] += 1
      for (const event of events) died.add(/kill \S+ ((?:before|after): .+)/.exec(event)?.[1] ?? "")
    }
    for (const count of Object.values(written)) expect(count).toBeGreaterThan(0.9 * runs)
    for (const count of Object.values(reversed)) expect(count).toBeGreaterThan(0.5 * runs)
    for (const operation of fatalOperations) {
      expect(died).toContain(`before: ${operation}`)
      expect(died).toContain(`after: ${operation}`)
    }
  })

  it("judges of most runs store alerts, split commits over batches, lose to each other, and die in writes", () => {
    const runs = 100
    const counts = { alerts: 0, split: 0, lost: 0, gaps: 0, died: 0 }
    for (let seed = 1; seed <= runs; seed += 1) {
      const { judged, events } = simulate(planOf(seed))
      if (judged.alerts > 0) counts.alerts += 1
      if (judged.splitCommits > 0) counts.split += 1
      if (events.some((event) => event.includes("dies as it writes"))) counts.died += 1
      const lostShards = events.filter((event) => event.includes("lost a shard"))
      if (lostShards.some((event) => event.includes("compare-and-set"))) counts.lost += 1
      if (lostShards.some((event) => event.includes("a delivery"))) counts.gaps += 1
    }
    console.log("runs with", counts)
    expect(counts.alerts).toBeGreaterThan(0.9 * runs)
    expect(counts.split).toBeGreaterThan(0.5 * runs)
    for (const count of [counts.lost, counts.gaps, counts.died]) expect(count).toBeGreaterThan(0.1 * runs)
  })

  it("the simulation finds a notice with a wrong total", () => {
    const oneMore = (payload: string) =>
      encodeNotices(decodeNotices(payload).map((notice) => ({ ...notice, totalAfter: notice.totalAfter + 1n })))
    const plant: Plant = (process) =>
      process === "edge"
        ? {}
        : { notices: (real) => ({ ...real, tell: (edge, payload) => real.tell(edge, oneMore(payload)) }) }
    const problems = [1, 2, 3].flatMap((seed) => simulate(planOf(seed), plant).problems)
    expect(problems.filter((problem) => problem.startsWith("I4 disagreeing: told")).length).toBeGreaterThan(0)
  })

  it(`no invariant breaks in ${seeds} seeds`, { timeout: 600_000 }, async () => {
    const started = performance.now()
    const { failures, acknowledged, processorMilliseconds } = await runSeeds(1, seeds, threads)
    const seconds = (performance.now() - started) / 1_000
    console.log(
      `${seeds} seeds in ${seconds.toFixed(0)} s, ${(seeds / seconds).toFixed(0)} a second; ` +
        `${(processorMilliseconds / seeds).toFixed(1)} ms of processor time each`
    )
    const [first] = failures
    if (first !== undefined) throw new Error(describeShrunk(first.seed, shrink(planOf(first.seed))))
    expect(acknowledged).toBeGreaterThan(seeds * 20)
  })
})
