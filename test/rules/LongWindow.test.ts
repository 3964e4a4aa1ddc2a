import { describe, expect, it } from "vitest"
import { LongWindow } from "../../src/rules/LongWindow.ts"
import { everything } from "../../src/rules/Rule.ts"

const made = () =>
  new LongWindow({
    scope: everything,
    floor: 0,
    blockEntriesMin: 2,
    blocks: [1, 2, 3].map((index) => ({
      sequence: 10 * index,
      time: 100 * index,
      through: { cents: BigInt(5 * index), count: 2 * index },
      ring: undefined
    }))
  })

describe("a long window", () => {
  it("a walk for a block ends behind the block before it, even if the block before it was dropped", () => {
    const window = made()
    const asked = () => window.walks([250, 299, 300]).map(({ start, after }) => [...start, after])
    expect(asked()).toEqual([[30, 20]])
    window.forget(245)
    window.forget(249)
    expect(asked()).toEqual([[30, 20]])
    expect(window.walks([249])).toHaveLength(1)
  })

  it("the window throws if it begins in a block that was not read, or before the blocks", () => {
    const window = made()
    window.forget(120)
    expect(() => window.runningSince(150)).toThrow("The block at 20 was not read.")
    expect(() => window.runningSince(119)).toThrow("before the blocks that were kept")
    expect([window.reaches(119), window.reaches(120)]).toEqual([false, true])
  })

  it("a window behind all blocks has only the newest entries, and needs no read", () => {
    const window = made()
    window.add(400, 7n)
    expect(window.walks([300, 350, 400])).toEqual([])
    expect(window.runningSince(300)).toEqual({ spent: 7, count: 1 })
    expect(window.runningSince(400)).toEqual({ spent: 0, count: 0 })
  })

  it("an entry that was stored earlier than the blocks ends the windows of newer blocks", () => {
    const window = made()
    window.add(150, 7n)
    expect(window.walks([150, 250])).toEqual([])
    expect(window.runningSince(150)).toEqual({ spent: 0, count: 0 })
    expect(window.walks([149])).toHaveLength(1)
  })
})
