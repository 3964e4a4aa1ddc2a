import { beforeAll, describe, expect, it } from "vitest"
import { mistakesAfter, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold, wideSold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

// A reply of an owner is one message of the broker, whose size is limited.
describe("Long pages", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: "1" }))

  beforeAll(async () => {
    await system.startWorker()
  })

  it("a worker answers a question for a page whose entries have the longest texts", async () => {
    const sales = wideSold("page", 1_000)
    await system.publish(sales, 250)
    await system.admin.untilApplied()
    expect(mistakesAfter(await readAccount(system.ask, "page", 1_000), sales)).toEqual([])
  })

  it("a worker answers many questions for long pages at once", async () => {
    const sales = manySold("pages", 1_000)
    await system.publish(sales)
    await system.admin.untilApplied()
    const accounts = await Promise.all(Array.from({ length: 40 }, () => readAccount(system.ask, "pages", 1_000)))
    for (const account of accounts) expect(mistakesAfter(account, sales)).toEqual([])
  })
})
