import { describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { inputMessages, moreThanLeft, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()
const served = startedBeforeAll(() => serveEdge(service.edge))

const wait = { prefer: "wait=20" }

const buy = async (userId: string, purchaseId: string, members: Record<string, unknown> = {}) => {
  const { status } = await service.post(purchaseText({ userId, purchaseId, ...members }), wait)
  expect(status).toBe(201)
}

const reversalsPath = (userId: string, purchaseId: string) => `/users/${userId}/purchases/${purchaseId}/reversals`
const reverse = (userId: string, purchaseId: string, members: object, headers: Record<string, string> = {}) =>
  seen(
    service.edge.app.request(reversalsPath(userId, purchaseId), {
      method: "POST",
      body: JSON.stringify({ reason: "broken", ...members }),
      headers: { "content-type": "application/json", ...headers }
    })
  )
const sendLines = async (lines: ReadonlyArray<object>, headers: Record<string, string> = {}) => {
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("")
  const { body: answers } = await seen(
    service.edge.app.request("/purchases", {
      method: "POST",
      body,
      headers: { "content-type": "application/x-ndjson", ...headers }
    })
  )
  return answers
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

interface Account {
  readonly total: number
  readonly purchaseCount: number
  readonly reversalCount: number
}
const account = async (userId: string): Promise<Account> =>
  JSON.parse((await service.get(`/users/${userId}/total`)).body) as Account
const receipt = async (userId: string, purchaseId: string) =>
  JSON.parse((await service.get(`/users/${userId}/purchases/${purchaseId}`)).body) as {
    readonly left: number
    readonly reversed: number
    readonly reversals: ReadonlyArray<{ readonly reversalId: string; readonly quantity: number }>
  }

interface Rejected {
  readonly inputSequence: number
  readonly index: number
  readonly reason: string
  readonly payload: string
}
/** The rejected records of a user's reversals. */
const rejectedOf = async (userId: string): Promise<ReadonlyArray<Rejected>> => {
  const { rejected } = JSON.parse((await service.get("/rejected?limit=100")).body) as {
    readonly rejected: ReadonlyArray<Rejected>
  }
  return rejected.filter(({ payload }) => payload.includes(`"userId":"${userId}"`))
}

describe("a reversal of a purchase", () => {
  it("a reversal of some pieces takes their exact amount back, and a reversal of the rest takes the rest", async () => {
    await buy("ann", "p1", { value: 23.45, quantity: 3 })
    await buy("ann", "p2", { value: 0.01, quantity: 1 })
    const first = await reverse("ann", "p1", { reversalId: "r1", quantity: 1 }, wait)
    const { storedAt, ledgerSequence } = JSON.parse(first.body) as { storedAt: string; ledgerSequence: number }
    expect(first).toEqual({
      status: 201,
      headers: {
        "content-type": "application/json",
        "cache-control": "no-store",
        location: "/users/ann/reversals/r1",
        "preference-applied": "wait=20"
      },
      body: `{"kind":"reversal","reversalId":"r1","purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","value":23.45,"quantity":1,"amount":-23.45,"reason":"broken","status":"applied","runningTotal":46.91,"currency":"USD","number":3,"storedAt":"${storedAt}","ledgerSequence":${ledgerSequence}}`
    })
    const rest = await reverse("ann", "p1", { reversalId: "r2" }, wait)
    expect(rest.body).toContain('"quantity":2,"amount":-46.90,"reason":"broken","status":"applied","runningTotal":0.01')
    expect(await account("ann")).toMatchObject({ total: 0.01, purchaseCount: 2, reversalCount: 2 })
    expect(await receipt("ann", "p1")).toMatchObject({
      reversed: 3,
      left: 0,
      reversals: [
        { reversalId: "r2", quantity: 2 },
        { reversalId: "r1", quantity: 1 }
      ]
    })
    const detail = "All pieces of purchase p1 of user ann were taken back before. Nothing was reversed."
    expect(await reverse("ann", "p1", { reversalId: "r3" }, wait)).toEqual(
      moreThanLeft(detail, reversalsPath("ann", "p1"), 0)
    )
  })

  it("a reversal without Prefer: wait is answered 202, and its Location gives the receipt once it is applied", async () => {
    await buy("bea", "p1")
    const { status, headers, body } = await reverse("bea", "p1", { quantity: 2 }, { "idempotency-key": "k1" })
    expect({ status, body }).toEqual({
      status: 202,
      body: '{"kind":"reversal","reversalId":"k1","purchaseId":"p1","userId":"bea","productName":"Lamp","productType":"Office","value":12.50,"quantity":2,"amount":-25.00,"reason":"broken","status":"stored"}'
    })
    const found = await service.get(headers["location"] ?? "")
    expect(found.status).toBe(200)
    expect(found.body).toContain('"amount":-25.00,"reason":"broken","status":"applied","runningTotal":0.00')
  })

  it("a reversal of the highest total is exact", async () => {
    await buy("max", "p1", { value: 1_000_000, quantity: 10_000 })
    const { body } = await reverse("max", "p1", { quantity: 9_999 }, wait)
    expect(body).toContain('"quantity":9999,"amount":-9999000000.00,')
    expect((await service.get("/users/max/total")).body).toContain('"total":1000000.00,')
  })

  it("a purchase and a reversal may have the same id", async () => {
    await buy("cid", "same")
    expect((await reverse("cid", "same", { reversalId: "same" }, wait)).status).toBe(201)
    await buy("cid", "other")
    expect((await reverse("cid", "other", { reversalId: "same" }, wait)).status).toBe(409)
    expect((await service.get("/users/cid/purchases/same")).status).toBe(200)
    expect((await service.get("/users/cid/reversals/same")).status).toBe(200)
  })

  it("a user cannot reverse a purchase of another user", async () => {
    await buy("dan", "only-dans")
    const path = reversalsPath("eve", "only-dans")
    const detail =
      "User eve has no purchase only-dans, so nothing was reversed. GET /users/{id}/purchases lists the purchases."
    expect(await reverse("eve", "only-dans", {}, wait)).toEqual(refusal("not-found", detail, path))
    expect(await account("dan")).toMatchObject({ total: 25, reversalCount: 0 })
  })
})

describe("the same reversal again", () => {
  it("the same reversal again gets the same body with the mark of a repeat, and counts once", async () => {
    await buy("fay", "p1", { quantity: 5 })
    const members = { reversalId: "r1", quantity: 2 }
    const first = await reverse("fay", "p1", members, wait)
    const again = await reverse("fay", "p1", members, wait)
    expect(again).toEqual({ ...first, headers: { ...first.headers, "idempotent-replayed": "true" } })
    expect(await account("fay")).toMatchObject({ total: 37.5, reversalCount: 1 })
  })

  it("a reversal that comes many times at once counts once", async () => {
    await buy("gus", "p1", { quantity: 5 })
    const all = Array.from({ length: 20 }, () => reverse("gus", "p1", { reversalId: "r1", quantity: 5 }, wait))
    const answers = await Promise.all(all)
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1)
    expect(answers[0]?.status).toBe(201)
    expect(await account("gus")).toMatchObject({ total: 0, reversalCount: 1 })
  })

  it("a reversal under a used id with another content is answered 409, and changes nothing", async () => {
    await buy("hal", "p1", { quantity: 5 })
    await reverse("hal", "p1", { reversalId: "r1", quantity: 2 }, wait)
    const before = (await inputMessages(service.client)).length
    for (const members of [{ quantity: 1 }, {}, { quantity: 2, reason: "late" }]) {
      const { status, headers } = await reverse("hal", "p1", { reversalId: "r1", ...members }, wait)
      expect({ status, location: headers["location"] }).toEqual({ status: 409, location: "/users/hal/reversals/r1" })
    }
    expect(await account("hal")).toMatchObject({ total: 37.5, reversalCount: 1 })
    expect((await inputMessages(service.client)).length).toBe(before)
  })
})

describe("reversals that race", () => {
  it("of more reversals at once than a purchase has pieces, as many are applied as it has pieces", async () => {
    await buy("race", "p1", { value: 1, quantity: 5 })
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => reverse("race", "p1", { reversalId: `r${index}`, quantity: 1 }, wait))
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([...Array<number>(5).fill(201), ...Array<number>(7).fill(422)])
    for (const { status, body } of answers) if (status === 422) expect(body).toMatch(/,"left":0\}$/)
    expect(await account("race")).toMatchObject({ total: 0, purchaseCount: 1, reversalCount: 5 })
    expect(await receipt("race", "p1")).toMatchObject({ reversed: 5, left: 0 })
  })

  it("a stored reversal that the worker refuses becomes a rejected record, which cannot be replayed", async () => {
    const line = { reversalId: "r1", userId: "ivy", purchaseId: "p9", quantity: 2, reason: "broken" }
    expect(await sendLines([line])).toMatchObject([{ status: "stored", reversalId: "r1" }])
    await until("the reversal is rejected", async () => (await rejectedOf("ivy")).length === 1)
    const [record] = await rejectedOf("ivy")
    expect(JSON.parse(record?.payload ?? "")).toEqual(line)
    expect(record?.reason).toMatch(/p9/)
    const path = `/rejected/${record?.inputSequence}/${record?.index}/replay`
    const replayed = await seen(
      service.edge.app.request(path, {
        method: "POST",
        body: purchaseText({ userId: "ivy" }),
        headers: { "content-type": "application/json" }
      })
    )
    const detail =
      "This record is of a reversal, and a reversal is not replayed. Post the reversal again: POST /users/{id}/purchases/{purchaseId}/reversals."
    expect(replayed).toEqual(refusal("not-replayable", detail, path))
    expect((await service.get("/users/ivy/reversals/r1")).status).toBe(404)

    // The same reversal is decided again when its purchase is applied.
    await buy("ivy", "p9")
    expect(await sendLines([line], wait)).toMatchObject([{ status: "applied", reversalId: "r1", runningTotal: 0 }])
  })
})

describe("a reversal in a line", () => {
  it("a reversal in a line may reverse a purchase of an earlier line", async () => {
    const lamp = JSON.parse(purchaseText({ userId: "jo", purchaseId: "p1" })) as object
    const reversal = { reversalId: "r1", userId: "jo", purchaseId: "p1", reason: "broken" }
    expect(await sendLines([lamp, { ...reversal, quantity: 1 }, { ...reversal, reversalId: "r2" }], wait)).toEqual([
      { line: 1, status: "applied", userId: "jo", purchaseId: "p1", runningTotal: 25 },
      { line: 2, status: "applied", userId: "jo", purchaseId: "p1", reversalId: "r1", runningTotal: 12.5 },
      { line: 3, status: "applied", userId: "jo", purchaseId: "p1", reversalId: "r2", runningTotal: 0 }
    ])
  })

  it("a reversal in a line is refused with the pieces that are left, and the lines after it are stored", async () => {
    await buy("kit", "p1", { quantity: 2 })
    const reversal = { userId: "kit", purchaseId: "p1", reason: "broken" }
    const [first, second, third] = await sendLines(
      [
        { ...reversal, reversalId: "r1", quantity: 3 },
        { ...reversal, reversalId: "r2", quantity: 0 },
        { ...reversal, reversalId: "r3", quantity: 2 }
      ],
      wait
    )
    expect(first).toMatchObject({ status: "refused", problem: { status: 422 } })
    expect(second).toMatchObject({ status: "refused", problem: { status: 422 } })
    expect(third).toMatchObject({ status: "applied", runningTotal: 0 })
    expect(await rejectedOf("kit")).toHaveLength(1)
  })

  it("a reversal in a line that comes again is a repeat, and another content under its id is a conflict", async () => {
    await buy("lea", "p1", { quantity: 4 })
    const line = { reversalId: "r1", userId: "lea", purchaseId: "p1", quantity: 1, reason: "broken" }
    const [first, again, other] = await sendLines([line, line, { ...line, quantity: 2 }], wait)
    expect(first).toMatchObject({ status: "applied", runningTotal: 37.5 })
    expect(again).toEqual({ ...first, line: 2, repeat: true })
    expect(other).toMatchObject({ status: "refused", problem: { status: 409 } })
    const { body } = await service.get("/users/lea/reversals/r1")
    expect(body).toContain('"repeatsDropped":1,"conflictsRejected":1}')
  })
})

describe("a reversal in feeds and metrics", () => {
  it("a feed has a reversal as soon as it is applied, in an event of the name `reversal`", async () => {
    await buy("mia", "p1")
    const reader = await served.open("/users/mia/feed")
    await reverse("mia", "p1", { reversalId: "r1" }, wait)
    await until("it is told", () => reader.events.some(({ name }) => name === "reversal"))
    const told = reader.events.find(({ name }) => name === "reversal")
    expect(told?.data).toMatchObject({
      userId: "mia",
      purchases: [],
      reversals: [{ kind: "reversal", reversalId: "r1", purchaseId: "p1", quantity: 2, reason: "broken" }],
      total: 0n,
      purchaseCount: 1,
      reversalCount: 1
    })
    expect(reader.applied).toEqual([])
    reader.close()
  })

  it("the metrics count applied and refused reversals", async () => {
    const { body } = await service.get("/metrics")
    const count = (name: string) => Number(new RegExp(`^purchase_ledger_${name} ([0-9]+)$`, "m").exec(body)?.[1])
    expect(count("applied_reversals_total")).toBeGreaterThan(10)
    expect(count('rejected_purchases_total\\{reason="reversal-refused"\\}')).toBeGreaterThan(0)
  })
})

describe("GET /users/{id}/purchases/{purchaseId}/reversals", () => {
  interface Page {
    readonly reversed: number
    readonly left: number
    readonly reversals: ReadonlyArray<{ readonly reversalId: string }>
    readonly next?: string
  }
  const pageAt = async (path: string): Promise<Page> => {
    const { status, body } = await service.get(path)
    expect(status, body).toBe(200)
    return JSON.parse(body) as Page
  }
  /** Follows the paths of pages, and returns the ids on each page. */
  const idsFrom = async (path: string): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
    const pages: Array<ReadonlyArray<string>> = []
    for (let next: string | undefined = path; next !== undefined;) {
      const page: Page = await pageAt(next)
      pages.push(page.reversals.map(({ reversalId }) => reversalId))
      next = page.next
    }
    return pages
  }
  const newestFirst = (from: number, count: number) => Array.from({ length: count }, (_, index) => `r${from - index}`)

  /** Reverses a piece of two purchases of a user again and again, with several reversals in each commit. */
  const reverseOften = async (userId: string, count: number, together: number) => {
    for (const purchaseId of ["one", "two"]) await buy(userId, purchaseId, { quantity: 200 })
    for (let from = 1; from <= count; from += together) {
      const lines = Array.from({ length: together }, (_, index) => [
        { userId, purchaseId: "one", reversalId: `r${from + index}`, quantity: 1, reason: "broken" },
        { userId, purchaseId: "two", reversalId: `s${from + index}`, quantity: 1, reason: "broken" }
      ])
      await sendLines(lines.flat(), wait)
    }
  }

  it("the pages have each reversal of the purchase once, newest first, also in the midst of a commit", async () => {
    await reverseOften("often", 21, 7)
    for (const limit of [1, 5, 7, 20, 21, 100]) {
      const pages = await idsFrom(`${reversalsPath("often", "one")}?limit=${limit}`)
      expect(pages.flat()).toEqual(newestFirst(21, 21))
      expect(pages.map(({ length }) => length).slice(0, -1)).toEqual(pages.slice(1).map(() => limit))
    }
    expect(await pageAt(reversalsPath("often", "one"))).toMatchObject({ quantity: 200, reversed: 21, left: 179 })
  })

  it("a reversal that comes between two pages is on none of the later pages", async () => {
    await reverseOften("between", 10, 5)
    const first = await pageAt(`${reversalsPath("between", "one")}?limit=3`)
    expect((await reverse("between", "one", { reversalId: "later", quantity: 1 }, wait)).status).toBe(201)
    expect((await idsFrom(first.next ?? "")).flat()).toEqual(newestFirst(7, 7))
    expect((await idsFrom(reversalsPath("between", "one"))).flat()).toEqual(["later", ...newestFirst(10, 10)])
  })

  it("a receipt shows the newest 100 reversals, and names the page with the rest", async () => {
    await reverseOften("long", 105, 35)
    const { body } = await service.get("/users/long/purchases/one")
    const receipt = JSON.parse(body) as { reversals: Page["reversals"]; nextReversals: string }
    expect(receipt.reversals.map(({ reversalId }) => reversalId)).toEqual(newestFirst(105, 100))
    expect(await idsFrom(receipt.nextReversals)).toEqual([newestFirst(5, 5)])
    const { body: few } = await service.get("/users/between/purchases/one")
    expect(JSON.parse(few)).not.toHaveProperty("nextReversals")
  })

  it("a purchase without reversals has one empty page, and an unknown purchase is 404", async () => {
    await buy("never", "one")
    expect(await pageAt(reversalsPath("never", "one"))).toMatchObject({ reversed: 0, left: 2, reversals: [] })
    expect(await service.get(reversalsPath("never", "two"))).toMatchObject({ status: 404 })
  })

  it("a cursor of another user, of a commit without reversals, or of another purchase is refused", async () => {
    await reverseOften("mine", 4, 2)
    const { next = "" } = await pageAt(`${reversalsPath("mine", "one")}?limit=1`)
    const cursor = new URL(next, "http://x").searchParams.get("cursor") ?? ""
    await buy("mine", "three")
    const [sequence = 0, , user = ""] = Buffer.from(cursor, "base64url").toString().split(".")
    const changed = (text: string) => Buffer.from(text).toString("base64url")
    for (const path of [
      `${reversalsPath("often", "one")}?cursor=${cursor}`,
      `${reversalsPath("mine", "three")}?cursor=${cursor}`,
      `${reversalsPath("mine", "one")}?cursor=${changed(`${sequence}.2.${user}`)}`,
      `${reversalsPath("mine", "one")}?cursor=${changed(`1.0.${user}`)}`
    ]) {
      const { status, body } = await service.get(path)
      expect({ path, status }).toEqual({ path, status: 400 })
      expect(body).toContain("cursor does not belong to the reversals of this purchase")
    }
  })
})
