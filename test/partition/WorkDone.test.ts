import { Duration, Effect } from "effect"
import { expect, it } from "vitest"
import { WorkerBucket } from "../../src/nats/WorkerBucket.ts"
import { post } from "../../src/harness/system/Shopper.ts"
import { manySold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"

const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "8" }))

it("two workers in one process each tell the number of purchases that they have applied themselves", async () => {
  const often = { workerHeartbeat: Duration.millis(50) }
  const one = await system.startWorker({}, { ...often, workerId: "worker-1" })
  const two = await system.startWorker({}, { ...often, workerId: "worker-2" })
  const ownedBy = { "worker-1": () => one.worker.owned(), "worker-2": () => two.worker.owned() }
  await until("they share the partitions", () => one.worker.owned().length === 4 && two.worker.owned().length === 4)

  const expected: Record<string, number> = {}
  for (const [name, owned] of Object.entries(ownedBy)) {
    const count = name === "worker-1" ? 3 : 5
    const sales = manySold(userIn(owned()[0] ?? 0, 8, "ann"), count)
    for (const sale of sales) expect((await post(system.ask, sale)).status).toBe(202)
    expected[name] = count
  }

  const signs = () => one.runtime.runPromise(Effect.flatMap(WorkerBucket, (bucket) => bucket.read))
  const told = async () => Object.fromEntries((await signs()).map(({ worker, work }) => [worker, work?.applied]))
  await until("both have told of all", async () => {
    const sum = Object.values(await told()).reduce<number>((all, applied) => all + (applied ?? 0), 0)
    return sum >= 8
  })
  expect(await told()).toEqual(expected)
})
