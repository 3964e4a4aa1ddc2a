import { existsSync } from "node:fs"
import { afterEach, expect, it, vi } from "vitest"
import { TestBroker } from "../../../src/harness/system/TestBroker.ts"
import { TestCluster } from "../../../src/harness/system/TestCluster.ts"

afterEach(() => vi.restoreAllMocks())

it("a cluster with a broker that does not start leaves no broker running, and no data", async () => {
  const launched: Array<TestBroker> = []
  vi.spyOn(TestBroker.prototype, "run").mockImplementation(async function (this: TestBroker) {
    this.launch()
    launched.push(this)
    if (launched.length === 3) throw new Error("planned")
  })

  await expect(TestCluster.start()).rejects.toThrow("planned")

  const left = launched.map((broker) => ({ isRunning: broker.isRunning, hasData: existsSync(broker.directory) }))
  expect(left).toEqual(Array.from({ length: 3 }, () => ({ isRunning: false, hasData: false })))
})

it("a test broker that does not become healthy is stopped, and leaves no data", async () => {
  const launched: Array<TestBroker> = []
  vi.spyOn(TestBroker.prototype, "untilHealthy").mockImplementation(async function (this: TestBroker) {
    launched.push(this)
    throw new Error("planned")
  })

  await expect(TestBroker.start()).rejects.toThrow("planned")

  const left = launched.map((broker) => ({ isRunning: broker.isRunning, hasData: existsSync(broker.directory) }))
  expect(left).toEqual([{ isRunning: false, hasData: false }])
})
