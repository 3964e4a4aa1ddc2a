import { afterEach, describe, expect, it } from "vitest"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { freePort, until } from "../../src/harness/system/TestBroker.ts"
import { alertByHand, alertOf, positionByHand } from "../support/AlertsByHand.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { type FeedEvent, FeedReader } from "../support/FeedReader.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { useService } from "../support/TestService.ts"

describe("Feeds of alerts at edges that are killed and started again", () => {
  const service = useService({ withoutWorker: true })
  const other = startedBeforeAll(() => serveEdge(service.edge))
  const processes = new Set<TestProcess>()
  afterEach(async () => {
    for (const one of processes) await one.kill()
    processes.clear()
  })

  const startEdge = async (port: number) => {
    const edge = new TestProcess("edge", { NATS_URL: service.broker.url, PARTITIONS: "2", PORT: String(port) })
    processes.add(edge)
    await until("the edge is ready", () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false
      )
    )
    return edge
  }

  /** Starts a reader of a feed. After each loss of its edge, the reader asks again with its last id. */
  const reading = (port: number, path: string) => {
    const earlier: Array<FeedEvent> = []
    let reader: FeedReader | undefined
    let lastEventId = "0"
    return {
      open: async () => {
        reader = await FeedReader.open(port, path, lastEventId)
      },
      leave: async () => {
        await reader?.ended
        earlier.push(...(reader?.applied ?? []))
        lastEventId = reader?.lastEventId ?? lastEventId
        reader = undefined
      },
      applied: () => [...earlier, ...(reader?.applied ?? [])]
    }
  }

  it("each feed has every alert once and in order although its edge is killed, as the feed of another edge has", async () => {
    const port = await freePort()
    let edge = await startEdge(port)
    const ofAll = reading(port, "/alerts/feed")
    const ofAnn = reading(port, "/users/ann/alerts/feed")
    const elsewhere = await other.open("/alerts/feed", "0")
    await Promise.all([ofAll.open(), ofAnn.open()])

    const stored: Array<{ readonly owner: string; readonly id: string }> = []
    const over = new AbortController()
    const alerting = (async () => {
      for (let sequence = 1; !over.signal.aborted; sequence += 1) {
        for (const owner of ["ann", "bob"]) {
          stored.push({ owner, id: String(await alertByHand(service.client, alertOf({ owner, sequence }))) })
        }
        await positionByHand(service.client, sequence)
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
      const told = ofAll.applied().length
      await until("some more is told", () => ofAll.applied().length >= told + 100)
      await edge.kill(signal)
      await Promise.all([ofAll.leave(), ofAnn.leave()])
      edge = await startEdge(port)
      await Promise.all([ofAll.open(), ofAnn.open()])
    }
    over.abort()
    await alerting

    const expected = stored.map(({ id }) => id)
    const expectedOfAnn = stored.filter(({ owner }) => owner === "ann").map(({ id }) => id)
    await until("all is told", () => ofAll.applied().length >= expected.length)
    await until("all of one user is told", () => ofAnn.applied().length >= expectedOfAnn.length)
    await until("all is told elsewhere", () => elsewhere.applied.length >= expected.length)
    expect(ofAll.applied().map(({ id }) => id)).toEqual(expected)
    expect(ofAnn.applied().map(({ id }) => id)).toEqual(expectedOfAnn)
    expect(elsewhere.applied).toEqual(ofAll.applied())
    elsewhere.close()
  }, 120_000)
})
