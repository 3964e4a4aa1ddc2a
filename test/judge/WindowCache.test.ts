import { describe, expect, it } from "vitest"
import type { AppliedPurchase } from "../../src/account/Revision.ts"
import { WindowCache } from "../../src/judge/WindowCache.ts"
import type { PlacedRevision } from "../../src/rules/Judgement.ts"
import { everything } from "../../src/rules/Rule.ts"
import type { UserWindows } from "../../src/rules/UserWindows.ts"

const placed = (userId: string, before: number): PlacedRevision => ({
  sequence: before + 1,
  line: 1,
  userId,
  revision: {
    total: 0n,
    count: 0,
    decidedThrough: 0,
    purchases: [],
    reversals: 0,
    repeats: new Map(),
    previous: before === 0 ? [] : [before],
    unsealed: 1,
    segment: 0
  }
})

const purchase = (storedAt: number): AppliedPurchase => ({
  purchaseId: `${storedAt}`,
  productName: "Lamp",
  productType: "Furniture",
  valueCents: 1n,
  quantity: 1,
  inputSequence: 1,
  inputIndex: 0,
  storedAt
})

const need = { key: "60000", scope: everything, cutoff: (storedAt: number) => storedAt - 60_000, cutoffs: [0] }

const fill = (windows: UserWindows, purchases: number) => {
  const { revision } = placed("ann", 1)
  for (const walk of windows.walks([need], [])) {
    walk.take(1, { ...revision, purchases: Array.from({ length: purchases }, (_, index) => purchase(index + 1)) })
    walk.finish()
  }
}

describe("The cache of window states", () => {
  it("the cache holds at most as many purchases as its bound, and drops the longest unused users", () => {
    const cache = new WindowCache(10_000)
    for (let user = 0; user < 1_000; user += 1) {
      const windows = cache.take(placed(`user-${user}`, 0))
      fill(windows, 100)
      cache.put(`user-${user}`, windows)
      expect(cache.entries).toBeLessThanOrEqual(10_000)
    }
    expect(cache.entries).toBeGreaterThan(9_000)
    expect(cache.take(placed("user-0", 0)).entries).toBe(0)
    expect(cache.take(placed("user-999", 0)).entries).toBe(100)
  })

  it("the cache keeps no window state of a user whose window states alone exceed the bound", () => {
    const cache = new WindowCache(1_000)
    const windows = cache.take(placed("ann", 0))
    fill(windows, 2_000)
    cache.put("ann", windows)
    expect(cache.entries).toBe(0)
    expect(cache.take(placed("ann", 0)).entries).toBe(0)
  })

  it("the cache gives empty window states of a user if it lacks the user's newest revision", () => {
    const cache = new WindowCache(1_000)
    const windows = cache.take(placed("ann", 5))
    fill(windows, 3)
    cache.put("ann", windows)
    expect(cache.take(placed("ann", 7))).toMatchObject({ through: 7, entries: 0 })
  })
})
