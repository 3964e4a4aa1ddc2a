import { describe, expect, it } from "vitest"
import { totalsOf, totalsOfWorkload } from "../../scripts/bench/Totals.ts"
import { purchaseAt } from "../../scripts/bench/Workload.ts"

const all = (workload: Parameters<typeof purchaseAt>[0]) =>
  Array.from({ length: workload.purchases }, (_, index) => purchaseAt(workload, index))

describe("the workload of the benchmark", () => {
  const workload = { purchases: 50_000, users: 300, repeatEvery: 20 }

  it("every twentieth purchase has the id and the content of an earlier purchase of the workload", () => {
    const seen = new Map<string, unknown>()
    let repeats = 0
    for (const purchase of all(workload)) {
      if (seen.has(purchase.purchaseId)) {
        repeats += 1
        expect(purchase).toEqual(seen.get(purchase.purchaseId))
      }
      seen.set(purchase.purchaseId, purchase)
    }
    expect(repeats).toBe(workload.purchases / 20)
  })

  it("in the expected totals of the workload, each purchase id counts once", () => {
    expect(totalsOfWorkload(workload)).toEqual(totalsOf(all(workload)))
  })

  it("the workload gives every user about the same number of purchases", () => {
    const counts = Array.from(totalsOfWorkload(workload).values(), ({ count }) => count)
    expect(counts).toHaveLength(workload.users)
    expect(Math.min(...counts)).toBeGreaterThan(100)
    expect(Math.max(...counts)).toBeLessThan(230)
  })

  it("by Zipf's law, the first 10 users, the next 90 and the next 900 have about equally many purchases", () => {
    const zipf = { purchases: 90_000, users: 1_000, repeatEvery: 0, spread: "zipf" } as const
    const counts = [0, 0, 0]
    for (const { userId } of all(zipf)) {
      const rank = Number(userId.slice("customer-".length)) + 1
      counts[Math.floor(Math.log10(rank + 0.5))] = (counts[Math.floor(Math.log10(rank + 0.5))] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 30_000)).toBeLessThan(3_000)
  })
})
