import { beforeAll, describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { commitByHand } from "../support/CommitByHand.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { boughtAt, reversedAccount, reversedAt } from "../support/ReversedAccount.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { answered, refusal, useService } from "../support/TestService.ts"

const service = useService()
const served = startedBeforeAll(() => serveEdge(service.edge))

/** The sequences of the three commits of the account. */
const commits: Array<number> = []
beforeAll(async () => {
  for (const line of reversedAccount("ann")) {
    commits.push(await commitByHand(service.client, service.settings.partitions, [line(commits)]))
  }
})

const instant = (at: number) => new Date(at).toISOString()
const content = (purchaseId: string, value: string, quantity: number, total: string) =>
  `"purchaseId":"${purchaseId}","userId":"ann","productName":"Lamp","productType":"Office","value":${value},"quantity":${quantity},"total":${total}`
const purchaseEntry = (number: number, about: string, runningTotal: string, at: number) =>
  `{"number":${number},${about},"runningTotal":${runningTotal},"storedAt":"${instant(at)}"}`
const reversalEntry = (number: number, about: string, runningTotal: string, more: string) =>
  `{"number":${number},${about},"runningTotal":${runningTotal},"storedAt":"${instant(reversedAt)}","kind":"reversal",${more}}`

const entries = [
  purchaseEntry(1, content("p1", "23.45", 3, "70.35"), "70.35", boughtAt),
  purchaseEntry(2, content("p2", "10.00", 1, "10.00"), "80.35", boughtAt),
  reversalEntry(3, content("p1", "23.45", 1, "-23.45"), "56.90", '"reversalId":"r1","amount":-23.45,"reason":"broken"'),
  purchaseEntry(4, content("p3", "1.00", 1, "1.00"), "57.90", reversedAt),
  reversalEntry(
    5,
    content("p1", "23.45", 2, "-46.90"),
    "11.00",
    '"reversalId":"r2","amount":-46.90,"reason":"never arrived"'
  )
]
const account = '"userId":"ann","total":11.00,"currency":"USD","purchaseCount":3,"reversalCount":2,"known":true'

const bodyOf = async (path: string) => {
  const { status, body } = await service.get(path)
  expect(status, body).toBe(200)
  return body
}

describe("an account with reversals", () => {
  it("a total is exact, and counts purchases and reversals apart", async () => {
    expect(await bodyOf("/users/ann/total")).toBe(`{${account}}`)
    const then = await bodyOf("/users/ann/total?at=2026-05-01T23:59:59Z")
    expect(then).toContain('"total":80.35,"currency":"USD","purchaseCount":2,"reversalCount":0,')
  })

  it("a history shows each reversal in its place, with a negative amount and the reason", async () => {
    const body = await bodyOf("/users/ann/purchases")
    expect(body).toBe(`{${account},"purchases":[${entries.toReversed().join(",")}]}`)
  })

  it("a history counts purchases and reversals alike in its pages", async () => {
    const found: Array<string> = []
    for (let path: string | undefined = "/users/ann/purchases?limit=2"; path !== undefined;) {
      const page = JSON.parse(await bodyOf(path)) as { purchases: ReadonlyArray<{ number: number }>; next?: string }
      found.push(page.purchases.map(({ number }) => number).join())
      path = page.next
    }
    expect(found).toEqual(["5,4", "3,2", "1"])
  })

  it("the running totals of a history are the sums of its totals, including those of reversals", async () => {
    const { purchases } = JSON.parse(await bodyOf("/users/ann/purchases")) as {
      purchases: ReadonlyArray<{ total: number; runningTotal: number }>
    }
    let sum = 0
    for (const { total, runningTotal } of purchases.toReversed()) {
      sum += Math.round(total * 100)
      expect(Math.round(runningTotal * 100)).toBe(sum)
    }
  })

  it("the receipt of a purchase has its reversals, newest first, and the pieces that are left", async () => {
    const reversal = (id: string, quantity: number, amount: string, reason: string) =>
      `{"reversalId":"${id}","quantity":${quantity},"amount":${amount},"reason":"${reason}","storedAt":"${instant(reversedAt)}"}`
    const answer = await service.get("/users/ann/purchases/p1")
    expect(answer.body).toContain(`"number":1,${content("p1", "23.45", 3, "70.35")},"status":"applied"`)
    expect(answer.body.slice(answer.body.indexOf('"reversed"'))).toBe(
      `"reversed":3,"left":0,"reversals":[${reversal("r2", 2, "-46.90", "never arrived")},${reversal("r1", 1, "-23.45", "broken")}]}`
    )
    expect(answer.headers["etag"]).toBe(`"${commits[0]}.0.0.3"`)
    expect(await bodyOf("/users/ann/purchases/p2")).toContain('"reversed":0,"left":1,"reversals":[]}')
  })

  it("the receipt of a reversal has its content, times, sequences, running total and repeats", async () => {
    const answer = await service.get("/users/ann/reversals/r1")
    const { appliedAt } = JSON.parse(answer.body) as { appliedAt: string }
    expect(answer).toEqual(
      answered(
        200,
        `{"kind":"reversal","reversalId":"r1","purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","value":23.45,"quantity":1,"amount":-23.45,"reason":"broken","status":"applied","runningTotal":56.90,"currency":"USD","number":3,"storedAt":"${instant(reversedAt)}","ledgerSequence":${commits[1]},"appliedAt":"${appliedAt}","inputSequence":2,"repeatsDropped":1,"conflictsRejected":0}`,
        { etag: `"${commits[1]}.1.0"`, "cache-control": "private, no-cache" }
      )
    )
    const { etag = "" } = answer.headers
    expect((await service.get("/users/ann/reversals/r1", { "if-none-match": etag })).status).toBe(304)
  })

  it.each([
    ["ann", "r9"],
    ["ann", "p1"],
    ["nobody", "r1"]
  ])("the receipt of user %s is 404 if the reversal %s was not applied", async (userId, reversalId) => {
    const path = `/users/${userId}/reversals/${reversalId}`
    const detail = `User ${userId} has no reversal ${reversalId}. GET /rejected lists the rejected records.`
    expect(await service.get(path)).toEqual(refusal("not-found", detail, path))
  })

  it("spending counts a reversal in the window of the reversal, as a negative amount", async () => {
    const body = await bodyOf("/users/ann/spending?from=2026-05-01T00:00:00Z&to=2026-05-03T00:00:00Z")
    expect(body.slice(body.indexOf('"total"'))).toBe(
      '"total":11.00,"purchaseCount":3,"reversalCount":2,"windows":[' +
        '{"from":"2026-05-01T00:00:00+00:00","to":"2026-05-02T00:00:00+00:00","total":80.35,"purchaseCount":2,"reversalCount":0},' +
        '{"from":"2026-05-02T00:00:00+00:00","to":"2026-05-03T00:00:00+00:00","total":-69.35,"purchaseCount":1,"reversalCount":2}]}'
    )
  })

  it("the history of the earlier system has a reversal with a negative total, and counts purchases", async () => {
    const body = await bodyOf("/history/ann")
    expect(body).toContain('"userId":"ann","purchaseCount":3,')
    expect(body).toContain(`{${content("p1", "23.45", 2, "-46.90")},"reversalId":"r2"}]}`)
  })
})

describe("the feed of an account with reversals", () => {
  const told = async (lastEventId: string, count: number) => {
    const reader = await served.open("/users/ann/feed", lastEventId)
    const found = () => reader.events.filter(({ data }) => data !== undefined)
    await until("all is told", () => found().length >= count)
    reader.close()
    return found()
  }

  it("a commit with a reversal is an event with the name `reversal`, which has the purchases of the commit", async () => {
    const events = await told("0", 3)
    const numbers = (list: ReadonlyArray<{ number: number }> | undefined) => list?.map(({ number }) => number)
    expect(
      events.map(({ name, id, data }) => ({
        name,
        id,
        purchases: numbers(data.purchases),
        reversals: numbers(data.reversals),
        counts: [data.total, data.purchaseCount, data.reversalCount]
      }))
    ).toEqual([
      {
        name: "message",
        id: `${commits[0]}.1`,
        purchases: [1, 2],
        reversals: undefined,
        counts: [8_035n, 2, 0]
      },
      { name: "reversal", id: `${commits[1]}.1`, purchases: [], reversals: [3], counts: [5_690n, 2, 1] },
      { name: "reversal", id: `${commits[2]}.1`, purchases: [4], reversals: [5], counts: [1_100n, 3, 2] }
    ])
    expect(events[1]?.data.reversals).toEqual([
      expect.objectContaining({
        kind: "reversal",
        reversalId: "r1",
        purchaseId: "p1",
        quantity: 1,
        total: -2_345n,
        amount: -2_345n,
        reason: "broken",
        runningTotal: 5_690n
      })
    ])
  })

  it("the event of a commit lists repeats of reversals apart from repeats of purchases", async () => {
    const [, , last] = await told("0", 3)
    expect(last?.data.repeats).toEqual([])
    expect(last?.data.reversalRepeats).toEqual([{ reversalId: "r1", repeatsDropped: 1, conflictsRejected: 0 }])
  })

  it("a feed goes on after the event of a reversal, without a gap and without a repeat", async () => {
    const all = await told("0", 3)
    for (const [index, { id = "" }] of all.slice(0, 2).entries()) {
      expect(await told(id, 2 - index)).toEqual(all.slice(index + 1))
    }
  })
})
