import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ledgerStream } from "../../src/domain/Subject.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { type FeedEvent, FeedReader } from "../support/FeedReader.ts"
import { readAccount } from "../support/Shopper.ts"
import { manySold } from "../support/Sold.ts"
import { freePort, until } from "../support/TestBroker.ts"
import { TestProcess } from "../support/TestProcess.ts"
import { TestSystem, userIn } from "../support/TestSystem.ts"

const stopping = ["end", "stopping"]

describe("Feeds of edges that come and go, while purchases flow", () => {
  let system: TestSystem
  const processes = new Set<TestProcess>()
  beforeEach(async () => {
    system = await TestSystem.start()
  })
  afterEach(async () => {
    for (const one of processes) await one.kill()
    processes.clear()
    await system.stop()
  })

  const start = (role: "worker" | "edge", environment: Record<string, string> = {}) => {
    const started = new TestProcess(role, { NATS_URL: system.broker.url, PARTITIONS: "4", ...environment })
    processes.add(started)
    return started
  }

  const startEdge = async (port: number) => {
    const edge = start("edge", { PORT: String(port) })
    await until("the edge is ready", () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false
      )
    )
    return edge
  }

  const users = [0, 1, 2, 3].map((partition) => userIn(partition, 4, "user"))
  const [ann = ""] = users

  /** All revisions that the ledger holds, in its order. */
  const revisions = async () => {
    const { last_seq: last } = await system.admin.state(ledgerStream)
    const found: Array<{ readonly id: number; readonly user: string | undefined }> = []
    for (let sequence = 1; sequence <= last; sequence += 1) {
      const stored = await system.admin.api<{ readonly message: { readonly subject: string } }>(
        `STREAM.MSG.GET.${ledgerStream}`,
        { seq: sequence }
      )
      const [, , kind, token] = stored?.message.subject.split(".") ?? []
      if (kind === "account") found.push({ id: sequence, user: token })
    }
    return found
  }

  /** A reader that comes back after its last id when its edge was gone. */
  const reading = (port: number, path: string) => {
    const earlier: Array<FeedEvent> = []
    let reader: FeedReader | undefined
    let lastEventId = 0
    return {
      open: async () => {
        reader = await FeedReader.open(port, path, lastEventId)
      },
      /** Waits until the edge is gone, and answers the last event that it sent. */
      leave: async () => {
        await until("the feed ends", () => reader?.hasEnded === true)
        earlier.push(...(reader?.applied ?? []))
        lastEventId = reader?.lastEventId ?? lastEventId
        const last = reader?.events.at(-1)
        reader = undefined
        return last
      },
      applied: () => [...earlier, ...(reader?.applied ?? [])]
    }
  }

  it("tell everything once and in order, whatever is killed, and each edge tells the same", async () => {
    const port = await freePort()
    let edge = await startEdge(port)
    let worker = start("worker")
    const ofAll = reading(port, "/feed")
    const ofAnn = reading(port, `/users/${ann}/feed`)
    const other = await serveEdge(system.edge)
    const elsewhere = await other.open("/feed", 0)
    await Promise.all([ofAll.open(), ofAnn.open()])

    const over = new AbortController()
    const selling = (async () => {
      for (let sale = 0; !over.signal.aborted; sale += 1) {
        for (const user of users) await system.publish(manySold(user, 3, `p${sale}-`))
      }
    })()
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"] as const) {
      const told = ofAll.applied().length
      await until("some more is told", () => ofAll.applied().length >= told + 40)
      await worker.kill()
      worker = start("worker")
      await edge.kill(signal)
      const ends = await Promise.all([ofAll.leave(), ofAnn.leave()])
      if (signal === "SIGTERM") {
        expect(ends.map((last) => [last?.name, last?.data.reason])).toEqual([stopping, stopping])
      }
      edge = await startEdge(port)
      await Promise.all([ofAll.open(), ofAnn.open()])
    }
    over.abort()
    await selling
    await system.admin.untilApplied(60_000)

    const written = await revisions()
    const expected = written.map(({ id }) => id)
    const expectedOfAnn = written.filter(({ user }) => user === ann).map(({ id }) => id)
    await until("all is told", () => ofAll.applied().length >= expected.length)
    await until("all of one user is told", () => ofAnn.applied().length >= expectedOfAnn.length)
    await until("all is told elsewhere", () => elsewhere.applied.length >= expected.length)
    expect(ofAll.applied().map(({ id }) => id)).toEqual(expected)
    expect(ofAnn.applied().map(({ id }) => id)).toEqual(expectedOfAnn)
    expect(ofAnn.applied().map(({ data }) => data)).toEqual(
      ofAll.applied().flatMap(({ data }) => (data.userId === ann ? [data] : []))
    )
    expect(elsewhere.applied).toEqual(ofAll.applied())
    const account = await readAccount(system.ask, ann)
    expect(ofAnn.applied().at(-1)?.data).toMatchObject({ total: account.total, purchaseCount: account.count })
    const told = ofAnn.applied().flatMap(({ data }) => data.purchases)
    expect(told.map(({ number, runningTotal }) => [number, runningTotal])).toEqual(
      account.entries.map(({ number, runningTotal }) => [number, runningTotal])
    )
    elsewhere.close()
    await other.close()
  })
})
