import { afterEach, describe, expect, it } from "vitest"
import { tokenOfLine } from "../../src/protocol/Commit.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { type FeedEvent, FeedReader } from "../support/FeedReader.ts"
import { readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { freePort, until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"

const stopping = ["end", "stopping"]

describe("Feeds of edges that come and go, while purchases flow", () => {
  const system = startedBeforeEach(() => TestSystem.start())
  const processes = new Set<TestProcess>()
  afterEach(async () => {
    for (const one of processes) await one.kill()
    processes.clear()
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

  /**
   * Two users of each partition. The purchases of both users come in one message, so that commits have several lines.
   */
  const pairs = [0, 1, 2, 3].map((partition) => [userIn(partition, 4, "user"), userIn(partition, 4, "other")])
  const ann = pairs[0]?.[1] ?? ""

  /** All revisions that the journal holds, in its order. */
  const revisions = async () => {
    const chains = await Promise.all([0, 1, 2, 3].map((partition) => system.admin.commits(partition)))
    return chains
      .flat()
      .toSorted((one, other) => one.sequence - other.sequence)
      .flatMap(({ sequence, lines }) =>
        lines.map((line, index) => ({ id: `${sequence}.${index + 1}`, user: tokenOfLine(line) }))
      )
  }

  /**
   * A reader that comes back with its last id after its edge was gone, or after no owner of its account could be asked.
   */
  const reading = (port: number, path: string) => {
    const earlier: Array<FeedEvent> = []
    let reader: FeedReader | undefined
    let lastEventId = "0"
    let left: Promise<FeedEvent | undefined> = Promise.resolve(undefined)
    /** Waits until the edge is gone. Returns the last event that the edge sent. */
    const follow = async (opened: FeedReader): Promise<FeedEvent | undefined> => {
      reader = opened
      await opened.ended
      earlier.push(...opened.applied)
      lastEventId = opened.lastEventId
      reader = undefined
      const last = opened.events.at(-1)
      return last?.data?.reason === "unavailable" ? follow(await FeedReader.open(port, path, lastEventId)) : last
    }
    return {
      open: async () => {
        left = follow(await FeedReader.open(port, path, lastEventId))
      },
      leave: () => left,
      applied: () => [...earlier, ...(reader?.applied ?? [])]
    }
  }

  it("feeds have every revision once and in order while edges are killed, and all edges send the same feed", async () => {
    const port = await freePort()
    let edge = await startEdge(port)
    let worker = start("worker")
    const ofAll = reading(port, "/feed")
    const ofAnn = reading(port, `/users/${ann}/feed`)
    const other = await serveEdge(system.edge)
    const elsewhere = await other.open("/feed", "0")
    await Promise.all([ofAll.open(), ofAnn.open()])

    const over = new AbortController()
    const selling = (async () => {
      for (let sale = 0; !over.signal.aborted; sale += 1) {
        for (const pair of pairs) await system.publish(pair.flatMap((user) => manySold(user, 3, `p${sale}-`)))
      }
    })()
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"] as const) {
      const told = ofAll.applied().length
      await until("some more is told", () => ofAll.applied().length >= told + 80)
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
    expect(expected.some((id) => id.endsWith(".2"))).toBe(true)
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
