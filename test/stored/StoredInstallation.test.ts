import { rmSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { postTo, type Seen, seen } from "../support/TestService.ts"
import { TestBroker } from "../support/TestBroker.ts"
import { startEdge, startWorker, type TestEdge, testSettings, type TestWorker } from "../support/TestLedger.ts"
import { storedAnswers, unpackInstallation } from "./StoredInstallation.ts"

// It holds repeats, sealed segments, a conflict, poison, and a rejected purchase that was replayed.
const commit = "86a8361"

describe(`an installation of commit ${commit}`, () => {
  const answers = storedAnswers(commit)
  const directory = unpackInstallation(commit)
  let broker: TestBroker
  let edge: TestEdge
  let worker: TestWorker

  beforeAll(async () => {
    broker = await TestBroker.start({ directory })
    const settings = testSettings({ NATS_URL: broker.url })
    edge = await startEdge(settings)
    worker = await startWorker(settings)
  })

  afterAll(async () => {
    await edge?.stop()
    await worker?.stop()
    await broker?.stop()
    rmSync(directory, { recursive: true })
  })

  const get = (path: string): Promise<Seen> => seen(edge.app.request(path))
  const texts = Object.entries(answers).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  const totals = texts.filter(([path]) => path.endsWith("/total"))
  const others = texts.filter(([path]) => !path.endsWith("/total"))

  it("gives the total of each user as it was", async () => {
    expect(totals).toHaveLength(5)
    for (const [path, text] of totals) expect((await get(path)).body).toBe(text.replace(/\}$/, ',"known":true}'))
  })

  it("gives receipts and rejected records as they were", async () => {
    expect(others.length).toBeGreaterThan(50)
    for (const [path, text] of others) expect((await get(path)).body, path).toBe(text)
  })

  it("gives the pages of each history as they were", async () => {
    for (const [path, pages] of Object.entries(answers)) {
      if (typeof pages === "string") continue
      let next: string | undefined = `${path}?limit=500`
      for (const page of pages) {
        const { body } = await get(next ?? "")
        expect(body.slice(body.indexOf("["), body.lastIndexOf("]") + 1)).toBe(page)
        next = JSON.parse(body).next
      }
      expect(next, path).toBeUndefined()
    }
  })

  it("recognises a purchase that it has applied, and applies a new one", async () => {
    const purchase = { purchaseId: "order-1", userId: "ann@x.org", productName: "Laptop", productType: "Electronics" }
    const again = await postTo(edge.app, JSON.stringify({ ...purchase, value: 1299.9, quantity: 1 }), {
      prefer: "wait=20"
    })
    expect([again.status, JSON.parse(again.body).runningTotal]).toEqual([201, 1299.9])
    const fresh = JSON.stringify({ ...purchase, purchaseId: "order-2", value: 0.1, quantity: 1 })
    const applied = await postTo(edge.app, fresh, { prefer: "wait=20" })
    expect([applied.status, JSON.parse(applied.body).runningTotal]).toEqual([201, 1300])
  })
})
