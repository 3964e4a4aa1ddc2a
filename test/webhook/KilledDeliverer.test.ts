import { afterEach, describe, expect, it } from "vitest"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { startedBeforeAll, startedBeforeEach } from "../support/StartedBefore.ts"
import { AlertEndpoint, answer } from "./AlertEndpoint.ts"
import { DelivererRun } from "./DelivererRun.ts"

const alertCount = 300

describe("a process with a deliverer that is killed", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  const endpoint = startedBeforeEach(() => AlertEndpoint.start())
  const processes: Array<TestProcess> = []

  const start = () => {
    const started = new TestProcess("worker", { NATS_URL: broker.url }, { program: "test/webhook/DelivererProcess.ts" })
    processes.push(started)
    return started
  }

  afterEach(async () => {
    await Promise.all(processes.splice(0).map((started) => started.kill()))
  })

  it("after each kill the next process goes on, loses no alert, keeps the order, and repeats alerts under their ids", async () => {
    const run = new DelivererRun(broker.url, "killed-user")
    await run.set(endpoint.url)
    const ids: Array<string> = []
    for (let count = 0; count < alertCount; count += 1)
      ids.push(await run.alert(JSON.stringify([{ id: `1.1.${count}.1` }])))
    for (const kills of [60, 120, 180]) {
      const killed = start()
      await until(`${kills} deliveries`, () => new Set(endpoint.ids).size >= kills)
      await killed.kill("SIGKILL")
    }
    // One alert is in flight at the last kill, and its answer never comes.
    endpoint.answerWith(answer(204))
    start()
    await until("all deliveries", () => new Set(endpoint.ids).size === alertCount)
    expect(Array.from(new Set(endpoint.ids))).toEqual(ids)
    const bodies = new Map<string, string>()
    for (const received of endpoint.received) {
      run.verified(received)
      const id = String(received.headers["webhook-id"])
      expect(bodies.get(id) ?? received.body).toBe(received.body)
      bodies.set(id, received.body)
    }
    await until("the cursor is at the end", async () => (await run.state())?.through === Number(ids.at(-1)))
    await run.stop()
  })
})
