import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { needs } from "../../src/harness/system/Requirement.ts"
import { CuttableDisk } from "../../src/harness/power/CuttableDisk.ts"
import { runPowerCuts } from "../../src/harness/power/PowerCuts.ts"

const cuts = 4

const cuttableDisk = {
  tests: "of power cuts",
  missing: CuttableDisk.whyNot(),
  remedy: "Run them on Linux as root, with mkfs.ext4, mount and loop devices (not in an unprivileged container)."
}

describe("power cuts of the broker's disk", needs(cuttableDisk), () => {
  let disk: CuttableDisk | undefined

  beforeEach(() => {
    disk = CuttableDisk.create()
  })

  afterEach(() => disk?.remove())

  const run = (plan: { readonly cuts: number; readonly syncsAlways: boolean }) => {
    if (disk === undefined) throw new Error("there is no disk")
    return runPowerCuts(disk, { ...plan, seed: 1 })
  }

  it("power cuts lose nothing that was acknowledged by a broker that syncs before it confirms", async () => {
    const { failures, mistakes, later } = await run({ cuts, syncsAlways: true })
    expect(mistakes).toEqual([])
    expect(later).toEqual([])
    // Cuts without an effect on clients would prove nothing.
    expect(failures).toBeGreaterThanOrEqual(cuts)
  }, 180_000)

  it("power cuts lose purchases of a broker that syncs later, which shows that the cuts are real", async () => {
    const { mistakes } = await run({ cuts: 1, syncsAlways: false })
    expect(mistakes.filter((mistake) => mistake.endsWith(" is lost"))).not.toEqual([])
  }, 180_000)
})
