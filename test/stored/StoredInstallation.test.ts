import { startedBeforeAll } from "../support/StartedBefore.ts"
import { rmSync } from "node:fs"
import { afterAll, describe, expect, it } from "vitest"
import { postTo, type Seen, seen } from "../support/TestService.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import {
  startEdge,
  startWorker,
  type TestEdge,
  testSettings,
  type TestWorker
} from "../../src/harness/system/TestLedger.ts"
import { runUpgrade } from "../upgrade/UpgradeRun.ts"
import { changedFiles, storedAnswers, unpackInstallation } from "./StoredInstallation.ts"

// The installation of this commit has repeats, sealed segments, a conflict, poison, and a rejected purchase that was
// replayed.
const commit = "86a8361"

/** The values that the upgrade cannot keep: the broker gives new times and sequences. */
const givenAnew = /"(?:appliedAt|rejectedAt|at|ledgerSequence)":(?:"[^"]*"|\d+)/g
const withoutGivenAnew = (text: string): string => text.replaceAll(givenAnew, "")

/** Returns the total of a user as the former version gave it, with the members that came later. */
const totalOfToday = (text: string): string => text.replace(/\}$/, ',"reversalCount":0,"known":true}')

/** Returns a receipt or a rejected record as the former version gave it. A receipt gets the members that came later. */
const recordOfToday = (text: string): string => {
  const { repeatsDropped, quantity } = JSON.parse(text) as {
    readonly repeatsDropped?: number
    readonly quantity: number
  }
  if (repeatsDropped === undefined) return text
  return text.replace(/\}$/, `,"reversed":0,"left":${quantity},"reversals":[]}`)
}

interface Purchase {
  readonly total: number
  readonly storedAt: string
}

const cents = (amount: number): number => Math.round(amount * 100)

describe(`an installation of commit ${commit}`, () => {
  const answers = storedAnswers(commit)
  const directory = unpackInstallation(commit)
  // The hook that removes the directory stands first, so it runs last. The broker writes to the directory until the
  // broker is stopped.
  afterAll(() => rmSync(directory, { recursive: true }))
  const broker = startedBeforeAll(() => TestBroker.start({ directory }))
  let edge: TestEdge
  let worker: TestWorker
  let startedUpgrade: number

  afterAll(async () => {
    await edge?.stop()
    await worker?.stop()
  })

  const get = (path: string): Promise<Seen> => seen(edge.app.request(path))
  const texts = Object.entries(answers).filter((entry): entry is [string, string] => typeof entry[1] === "string")
  const totals = texts.filter(([path]) => path.endsWith("/total"))
  const others = texts.filter(([path]) => !path.endsWith("/total"))
  const histories = Object.entries(answers).flatMap(([path, pages]) =>
    typeof pages === "string" ? [] : [{ path, pages }]
  )

  it("an edge and a worker refuse a former installation, and name the command that upgrades it", async () => {
    const settings = testSettings({ NATS_URL: broker.url })
    await expect(startEdge(settings)).rejects.toThrow(/layout of an earlier version\. .*run: npm run upgrade/)
    await expect(startWorker(settings)).rejects.toThrow(/layout of an earlier version\. .*run: npm run upgrade/)
  })

  it("the command upgrades the installation, and prints how much it wrote and compared", async () => {
    startedUpgrade = Date.now()
    const { code, output } = await runUpgrade({ NATS_URL: broker.url })
    expect(output).toMatch(
      /^Written: 3 rejected records with 2 steps of replays\.\nWritten: 1005 purchases of 5 accounts/
    )
    expect(output).toContain("Compared: 1005 purchases of 5 accounts and 3 rejected records. All are the same.\nDone.")
    expect(code).toBe(0)
    const settings = testSettings({ NATS_URL: broker.url })
    edge = await startEdge(settings)
    worker = await startWorker(settings)
  })

  it("an upgraded installation gives the total of each user as the former version did", async () => {
    expect(totals).toHaveLength(5)
    for (const [path, text] of totals) expect((await get(path)).body).toBe(totalOfToday(text))
  })

  it("an upgraded installation gives receipts and rejected records as before, except times and sequences", async () => {
    expect(others.length).toBeGreaterThan(50)
    for (const [path, text] of others) {
      expect(withoutGivenAnew((await get(path)).body), path).toBe(withoutGivenAnew(recordOfToday(text)))
    }
  })

  it("a receipt of an upgraded installation has the time of the upgrade as the time of application", async () => {
    const { appliedAt } = JSON.parse((await get("/users/bob/purchases/b1")).body)
    expect(Date.parse(appliedAt)).toBeGreaterThanOrEqual(startedUpgrade)
  })

  it("an upgraded installation gives the pages of each history as the former version did", async () => {
    for (const { path, pages } of histories) {
      let next: string | undefined = `${path}?limit=500`
      for (const page of pages) {
        const { body } = await get(next ?? "")
        expect(body.slice(body.indexOf("["), body.lastIndexOf("]") + 1)).toBe(page)
        next = JSON.parse(body).next
      }
      expect(next, path).toBeUndefined()
    }
  })

  it("an upgraded installation gives the spending of each hour by the times of the input log", async () => {
    for (const { path, pages } of histories) {
      const spent = new Map<string, number>()
      const purchases: ReadonlyArray<Purchase> = pages.flatMap((page) => JSON.parse(page))
      for (const { storedAt, total } of purchases) {
        const hour = `${storedAt.slice(0, 13)}:00:00+00:00`
        spent.set(hour, (spent.get(hour) ?? 0) + cents(total))
      }
      const range = "by=hour&from=2026-11-29T00:00:00Z&to=2026-11-30T00:00:00Z"
      const { body } = await get(`${path.replace(/purchases$/, "spending")}?${range}`)
      const windows: ReadonlyArray<{ readonly from: string; readonly total: number }> = JSON.parse(body).windows
      const found = windows.filter(({ total }) => total > 0).map(({ from, total }) => [from, cents(total)] as const)
      expect(new Map(found), path).toEqual(spent)
    }
  })

  it("an upgraded installation recognises a purchase that was applied, and applies a new purchase", async () => {
    const purchase = { purchaseId: "order-1", userId: "ann@x.org", productName: "Laptop", productType: "Electronics" }
    const again = await postTo(edge.app, JSON.stringify({ ...purchase, value: 1299.9, quantity: 1 }), {
      prefer: "wait=20"
    })
    expect({ status: again.status, runningTotal: JSON.parse(again.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 1299.9
    })
    const fresh = JSON.stringify({ ...purchase, purchaseId: "order-2", value: 0.1, quantity: 1 })
    const applied = await postTo(edge.app, fresh, { prefer: "wait=20" })
    expect({ status: applied.status, runningTotal: JSON.parse(applied.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 1300
    })
  })

  it("an upgraded installation recognises a purchase in a segment, and refuses another content for its id", async () => {
    const purchase = { purchaseId: "c1", userId: "cleo", productName: "Desk", productType: "Office", quantity: 2 }
    const again = await postTo(edge.app, JSON.stringify({ ...purchase, value: 10.15 }), { prefer: "wait=20" })
    expect({ status: again.status, runningTotal: JSON.parse(again.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 20.3
    })
    const other = await postTo(edge.app, JSON.stringify({ ...purchase, value: 10.16 }), { prefer: "wait=20" })
    expect({ status: other.status, type: JSON.parse(other.body).type }).toEqual({
      status: 422,
      type: "urn:purchase-ledger:problem:conflicting-purchase"
    })
  })

  it("an upgraded installation has its former accounts byte for byte as before the upgrade", () => {
    expect(changedFiles(commit, directory, "KV_ledger")).toEqual([])
  })
})
