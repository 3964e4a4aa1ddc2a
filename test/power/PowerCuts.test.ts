import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { CuttableDisk, NoCuttableDisk } from "./CuttableDisk.ts"
import { runPowerCuts } from "./PowerCuts.ts"

const cuts = 4

describe("power cuts of the broker's disk", () => {
  let disk: CuttableDisk | undefined

  beforeEach(({ skip }) => {
    try {
      disk = CuttableDisk.create()
    } catch (cause) {
      if (!(cause instanceof NoCuttableDisk)) throw cause
      console.warn(`skipped: ${cause.message}`)
      skip(cause.message)
    }
  })

  afterEach(() => disk?.remove())

  const run = (plan: { readonly cuts: number; readonly syncsAlways: boolean }) => {
    if (disk === undefined) throw new Error("there is no disk")
    return runPowerCuts(disk, { ...plan, seed: 1 })
  }

  it("lose nothing that was acknowledged, as the broker syncs before it confirms", async () => {
    const { failures, mistakes, later } = await run({ cuts, syncsAlways: true })
    expect(mistakes).toEqual([])
    expect(later).toEqual([])
    // Cuts that no client noticed would prove nothing.
    expect(failures).toBeGreaterThanOrEqual(cuts)
  }, 180_000)

  it("lose purchases of a broker that syncs later: these are real cuts, and they would be seen", async () => {
    const { mistakes } = await run({ cuts: 1, syncsAlways: false })
    expect(mistakes.filter((mistake) => mistake.endsWith(" is lost"))).not.toEqual([])
  }, 180_000)
})
