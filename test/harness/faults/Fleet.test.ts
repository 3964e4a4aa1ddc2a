import { expect, it } from "vitest"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { Fleet } from "../../../src/harness/faults/Fleet.ts"

it("each member of a fleet has one process under several faults at once, and stopping ends all processes", async () => {
  const environment = { INPUT_BYTES_MAX: "8388608" }
  const fleet = await Fleet.start({
    workers: 1,
    edges: 1,
    judges: 0,
    isCluster: false,
    environment,
    note: () => undefined
  })
  const worker = [...fleet.members].find(({ role }) => role === "worker")
  if (worker === undefined) return expect.unreachable()
  try {
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([fleet.killMember(worker), fleet.killMember(worker), fleet.killMember(worker)])
      await until("the killed ones have ended", () => fleet.running.size === 2)
    }
  } finally {
    await fleet.stop()
  }
  expect(fleet.running.size).toBe(0)
})
