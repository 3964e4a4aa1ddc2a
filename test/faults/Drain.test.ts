import { afterEach, describe, expect, it } from "vitest"
import { inputStream } from "../../src/protocol/Subject.ts"
import { holdCommits } from "../support/Faults.ts"
import { askAt, mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { freePort, until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"
import { replacedEvents } from "../../src/harness/system/ReplacedEvents.ts"

describe("A process that is told to stop", () => {
  const system = startedBeforeEach(() => TestSystem.start())
  const processes = new Set<TestProcess>()

  afterEach(async () => {
    for (const one of processes) await one.kill()
    processes.clear()
  })

  const start = (role: "worker" | "edge", environment: Record<string, string> = {}) => {
    const started = new TestProcess(role, { NATS_URL: system.broker.url, ...environment })
    processes.add(started)
    return started
  }

  const users = [0, 1, 2, 3].map((partition) => userIn(partition, 4, "user"))
  const lanes = users.map((user) => manySold(user, 300))

  /**
   * Returns the consumer of each partition. If the broker was slow to create the first consumer, a partition has two
   * consumers, and the result has the consumer in use.
   */
  const consumersInUse = async () => {
    const consumers = await system.admin.consumers()
    const epochOf = ({ name }: { readonly name: string }) => Number(name.split("-")[1])
    return [0, 1, 2, 3].flatMap((partition) =>
      consumers
        .filter(({ name }) => name.startsWith(`p${partition}-`))
        .toSorted((a, b) => epochOf(b) - epochOf(a) || b.delivered.stream_seq - a.delivered.stream_seq)
        .slice(0, 1)
    )
  }

  /**
   * Returns the state of each partition's consumer: its last acknowledgement, and the messages without an
   * acknowledgement.
   */
  const acknowledged = async () =>
    (await consumersInUse()).map(({ ack_floor, num_ack_pending }) => [ack_floor.stream_seq, num_ack_pending])

  it("a worker that is told to stop commits and acknowledges all messages that it holds", async () => {
    const held = holdCommits()
    let received = 0
    const { worker, stop, runtime } = await system.startWorker({
      ...held.replace,
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) =>
          real.pull(
            partition,
            epoch,
            replacedEvents(events, {
              delivered: (delivery) => {
                events.delivered(delivery)
                received += 1
              }
            })
          )
      })
    })
    for (const sales of lanes) await system.publish(sales, 1)
    await until("all is in hand", async () => {
      const delivered = (await consumersInUse()).map(({ delivered: { stream_seq } }) => stream_seq)
      return delivered.join() === "300,600,900,1200"
    })
    await until("the worker has received all", () => received === 1_200)
    await until("each partition is about to commit", () => held.held.length === users.length)
    // Every acknowledged message is in a commit.
    expect(await acknowledged()).toEqual([0, 1, 2, 3].map(() => [0, 300]))
    const drained = runtime.runPromise(worker.drain)
    held.release()
    await drained
    await stop()
    const positions = await Promise.all([0, 1, 2, 3].map((partition) => system.admin.position(partition)))
    expect(positions).toEqual([300, 600, 900, 1_200])
    expect(await acknowledged()).toEqual(positions.map((position) => [position, 0]))
  })

  it("a worker that is told to stop amid its work leaves the rest to the next worker, which keeps the order", async () => {
    const first = start("worker")
    await until("it works", async () => (await consumersInUse()).length === 4)
    for (const sales of lanes) await system.publish(sales, 1)
    expect(await first.kill("SIGTERM")).toEqual({ code: 0, signal: null })
    expect(first.output).not.toContain("stopped with purchases in hand")
    const positions = await Promise.all([0, 1, 2, 3].map((partition) => system.admin.position(partition)))
    expect((await acknowledged()).map(([floor]) => floor)).toEqual(positions)
    start("worker")
    await system.admin.untilApplied()
    for (const [index, sales] of lanes.entries()) {
      expect(mistakesAfter(await readAccount(system.ask, users[index] ?? ""), sales)).toEqual([])
    }
  })

  /** Returns the number of purchases in the messages of the input log. */
  const storedPurchases = async () => {
    const { last_seq: last } = await system.admin.state(inputStream)
    let purchases = 0
    for (let sequence = 1; sequence <= last; sequence += 1) {
      purchases += (await system.admin.input(sequence)).purchases.length
    }
    return purchases
  }

  it("an edge that is told to stop answers the requests that it has accepted, and takes no new requests", async () => {
    const port = await freePort()
    const edge = start("edge", { PORT: String(port) })
    const ask = askAt(port)
    const isReady = () =>
      ask("/readyz").then(
        ({ ok }) => ok,
        () => false
      )
    await until("the edge is ready", isReady)
    const sales = manySold("waiting", 20)
    // No worker runs yet, so the requests wait for an answer.
    const answers = sales.map((sale) => post(ask, sale, { prefer: "wait=20" }))
    await until("all are stored", async () => (await storedPurchases()) === 20)
    const ended = edge.kill("SIGTERM")
    await until("the edge takes nothing more", async () => !(await isReady()))
    await expect(post(ask, sold("late", "one"))).rejects.toThrow("fetch failed")
    await system.startWorker()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(sales.map(() => 201))
    expect(await ended).toEqual({ code: 0, signal: null })
    expect(mistakesAfter(await readAccount(system.ask, "waiting"), sales)).toEqual([])
    expect((await readAccount(system.ask, "late")).count).toBe(0)
  })
})
