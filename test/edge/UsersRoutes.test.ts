import { createHash } from "node:crypto"
import { beforeAll, describe, expect, it } from "vitest"
import { serveEdge } from "../support/FeedEdge.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { commitByHand } from "../support/CommitByHand.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { answered, inputMessages, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()
const served = startedBeforeAll(() => serveEdge(service.edge))

const buy = async (userId: string, purchaseId: string, value = 12.5) => {
  const { status } = await service.post(purchaseText({ userId, purchaseId, value }))
  expect(status).toBe(202)
}
const cached = (etag: string | undefined, headers: Record<string, string> = {}) => ({
  "cache-control": "private, no-cache",
  etag: etag ?? "",
  ...headers
})
const unchanged = (etag: string | undefined) => ({ status: 304, headers: cached(etag), body: "" })

/** The newest commit with a revision of an account, as the broker has it. */
const newestRevision = async (userId: string) => {
  const manager = await service.client.jetstreamManager()
  const { state } = await manager.streams.info("KV_journal")
  for (let seq = state.last_seq; seq > 0; seq -= 1) {
    const message = await manager.streams.getMessage("KV_journal", { seq })
    if (message.subject.startsWith("$KV.journal.commit.") && message.string().includes(`\n["${userId}",`)) {
      return { sequence: seq, time: message.time.toISOString() }
    }
  }
  throw new Error(`${userId} has no revision`)
}
/** Returns the part of a cursor that names the user to whom the cursor belongs. */
const markOf = (userId: string) => createHash("sha256").update(userId).digest("hex").slice(0, 8)
const storedAt = async (purchaseId: string) => {
  const messages = await inputMessages(service.client)
  const [message] = messages.filter(({ purchases }) => purchases.some((one) => one.purchaseId === purchaseId))
  return message
}

describe("GET /users/{id}/total", () => {
  it("a user's total is exact, has the number of purchases, and has the account's revision as its ETag", async () => {
    await buy("totals", "t1", 0.1)
    await buy("totals", "t2", 0.05)
    const answer = await service.get("/users/totals/total")
    const { sequence } = await newestRevision("totals")
    expect(answer).toEqual(
      answered(
        200,
        '{"userId":"totals","total":0.30,"currency":"USD","purchaseCount":2,"reversalCount":0,"known":true}',
        cached(`"${sequence}"`)
      )
    )
  })

  it("the total of an unknown user is 0", async () => {
    expect(await service.get("/users/nobody/total")).toEqual(
      answered(
        200,
        '{"userId":"nobody","total":0.00,"currency":"USD","purchaseCount":0,"reversalCount":0,"known":false}',
        cached('"0"')
      )
    )
  })

  it("a total distinguishes a user who was never seen from a user whose total was 0 at the asked time", async () => {
    await buy("seen", "s1")
    const known = async (path: string) => (JSON.parse((await service.get(path)).body) as { known: unknown }).known
    for (const query of ["", "?consistency=eventual", "?at=2020-01-01T00:00:00Z"]) {
      expect({ query, isKnown: await known(`/users/seen/total${query}`) }).toEqual({ query, isKnown: true })
      expect({ query, isKnown: await known(`/users/unseen/total${query}`) }).toEqual({ query, isKnown: false })
    }
    for (const query of ["", "?consistency=eventual"]) {
      expect({ query, isKnown: await known(`/users/seen/purchases${query}`) }).toEqual({ query, isKnown: true })
      expect({ query, isKnown: await known(`/users/unseen/purchases${query}`) }).toEqual({ query, isKnown: false })
    }
  })

  it("a total gets 304 until a purchase is applied", async () => {
    await buy("etags", "e1")
    const { etag } = (await service.get("/users/etags/total")).headers
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      expect(await service.get("/users/etags/total", { "if-none-match": known ?? "" })).toEqual(unchanged(etag))
    }
    expect((await service.get("/users/etags/total", { "if-none-match": '"other"' })).status).toBe(200)
    await buy("etags", "e2")
    const changed = await service.get("/users/etags/total", { "if-none-match": etag ?? "" })
    expect({ status: changed.status, body: changed.body }).toEqual({
      status: 200,
      body: '{"userId":"etags","total":50.00,"currency":"USD","purchaseCount":2,"reversalCount":0,"known":true}'
    })
    expect(changed.headers["etag"]).not.toBe(etag)
  })
})

describe("GET /users/{id}/purchases", () => {
  const entry = async (number: number, runningTotal: string) =>
    `{"number":${number},"purchaseId":"b${number}","userId":"pager","productName":"Lamp","productType":"Office","value":12.50,"quantity":2,"total":25.00,"runningTotal":${runningTotal},"storedAt":"${(await storedAt(`b${number}`))?.time}"}`

  it("a history is newest first, with a link to the next page", async () => {
    for (const number of [1, 2, 3]) await buy("pager", `b${number}`)
    const first = await service.get("/users/pager/purchases?limit=2")
    const { next } = JSON.parse(first.body) as { next: string }
    expect(next).toMatch(/^\/users\/pager\/purchases\?limit=2&cursor=[A-Za-z0-9_-]+$/)
    const { sequence } = await newestRevision("pager")
    const account = '"userId":"pager","total":75.00,"currency":"USD","purchaseCount":3,"reversalCount":0,"known":true'
    expect(first).toEqual(
      answered(
        200,
        `{${account},"purchases":[${await entry(3, "75.00")},${await entry(2, "50.00")}],"next":"${next}"}`,
        cached(`"${sequence}..2"`, { link: `<${next}>; rel="next"` })
      )
    )
    const last = await service.get(next)
    const cursor = new URLSearchParams(next.split("?")[1]).get("cursor")
    expect(last).toEqual(
      answered(200, `{${account},"purchases":[${await entry(1, "25.00")}]}`, cached(`"${sequence}.${cursor}.2"`))
    )
    expect(await service.get(next, { "if-none-match": last.headers["etag"] ?? "" })).toEqual(
      unchanged(last.headers["etag"])
    )
  })

  it("the history of an unknown user is empty", async () => {
    expect(await service.get("/users/nobody/purchases")).toEqual(
      answered(
        200,
        '{"userId":"nobody","total":0.00,"currency":"USD","purchaseCount":0,"reversalCount":0,"known":false,"purchases":[]}',
        cached('"0..20"')
      )
    )
  })

  interface Page {
    readonly purchases: ReadonlyArray<{ readonly number: number; readonly purchaseId: string }>
    readonly next?: string
  }
  const page = async (path: string) => {
    const { status, body } = await service.get(path)
    expect(status).toBe(200)
    return JSON.parse(body) as Page
  }
  const numbers = ({ purchases }: Page) => purchases.map(({ number }) => number)
  const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, index) => from - index)

  it("a history gives each purchase on one page, even if new purchases are applied between two pages", async () => {
    await service.get("/generate/60/reader")
    const path = "/users/reader/purchases"
    expect(numbers(await page(path))).toEqual(down(60, 41))
    expect(numbers(await page(`${path}?limit=1000`))).toEqual(down(60, 1))
    const found: Array<number> = []
    let next: string | undefined = `${path}?limit=7`
    while (next !== undefined) {
      const read: Page = await page(next)
      found.push(...numbers(read))
      next = read.next
      await buy("reader", `later${found.length}`)
    }
    expect(found).toEqual(down(60, 1))
  })

  it.each(["0", "-1", "1001", "1e2", "1.5", "", "all"])("a history refuses limit=%s", async (limit) => {
    expect(await service.get(`/users/reader/purchases?limit=${limit}`)).toEqual(
      refusal(
        "malformed-request",
        `limit must be a whole number from 1 to 1000, and is ${limit}.`,
        "/users/reader/purchases"
      )
    )
  })

  const forged = (text: string) => Buffer.from(text).toString("base64url")
  it.each([
    "",
    "zz",
    "%00",
    forged("1"),
    forged("1.0"),
    forged("1.0.0123456"),
    forged("1.0.012345678"),
    forged("1.0.ABCDEF01"),
    forged("-1.0.01234567"),
    forged("1.-1.01234567"),
    forged("1.0.0.01234567"),
    forged("0.0.01234567"),
    forged("1e1.0.01234567"),
    forged("01.0.01234567"),
    `${forged("1.0.01234567")}=`,
    `${forged("1.0.01234567")}!`
  ])("a history refuses cursor=%s", async (cursor) => {
    expect(await service.get(`/users/reader/purchases?cursor=${cursor}`)).toEqual(
      refusal(
        "malformed-request",
        "cursor was not given out by this service. Begin without a cursor.",
        "/users/reader/purchases"
      )
    )
  })

  it("a history refuses a cursor of another user, of a later sequence, or beyond the entries of its revision", async () => {
    await service.get("/generate/2/other")
    expect((await service.get("/users/other/total")).status).toBe(200)
    const other = await newestRevision("other")
    const own = await newestRevision("reader")
    const mark = markOf("reader")
    const places = [
      `${other.sequence}.0.${markOf("other")}`,
      `${other.sequence}.0.${mark}`,
      `${own.sequence}.0.${markOf("other")}`,
      `999999999999999.0.${mark}`,
      `${own.sequence}.999.${mark}`
    ]
    for (const place of places) {
      expect(await service.get(`/users/reader/purchases?cursor=${forged(place)}`)).toEqual(
        refusal(
          "malformed-request",
          "cursor does not belong to this user's history. Begin without a cursor.",
          "/users/reader/purchases"
        )
      )
    }
  })
})

describe("GET /users/{id}/purchases/{purchaseId}", () => {
  const path = "/users/holder/purchases/r2"

  it("a receipt has the content, times, sequences, running total and repeats of its purchase", async () => {
    await buy("holder", "r1")
    expect((await service.get("/users/holder/purchases/r1")).status).toBe(200)
    await buy("holder", "r2", 0.01)
    const answer = await service.get(path)
    const message = await storedAt("r2")
    const revision = await newestRevision("holder")
    expect(answer).toEqual(
      answered(
        200,
        `{"number":2,"purchaseId":"r2","userId":"holder","productName":"Lamp","productType":"Office","value":0.01,"quantity":2,"total":0.02,"status":"applied","runningTotal":25.02,"currency":"USD","storedAt":"${message?.time}","appliedAt":"${revision.time}","inputSequence":${message?.sequence},"ledgerSequence":${revision.sequence},"repeatsDropped":0,"conflictsRejected":0,"reversed":0,"left":2,"reversals":[]}`,
        cached(`"${revision.sequence}.0.0.0"`)
      )
    )
    const { etag } = answer.headers
    expect(await service.get(path, { "if-none-match": etag ?? "" })).toEqual(unchanged(etag))
    // Later purchases do not change the receipt.
    await buy("holder", "r3")
    expect(await service.get(path)).toEqual(answer)
  })

  it.each([
    ["holder", "r9"],
    ["nobody", "r2"]
  ])("the receipt of user %s is 404 if %s was not applied", async (userId, purchaseId) => {
    expect(await service.get(`/users/${userId}/purchases/${purchaseId}`)).toEqual(
      refusal(
        "not-found",
        `User ${userId} has no purchase ${purchaseId}. GET /rejected lists the rejected records.`,
        `/users/${userId}/purchases/${purchaseId}`
      )
    )
  })
})

describe("two accounts with a revision in one commit", () => {
  const [kim, lea] = [userIn(0, 2, "kim"), userIn(0, 2, "lea")]
  const users = [kim, lea]
  /**
   * In both commits each account has its own purchases. The second commit has three purchases of one account and one
   * purchase of the other account.
   */
  const counts = [
    [1, 2],
    [3, 1]
  ]
  const sequences: Array<number> = []

  const purchaseOf = (user: string, number: number) => ({
    purchaseId: `${user}-${number}`,
    productName: "Lamp",
    productType: "Office",
    valueCents: user === kim ? 100n : 1_000n,
    quantity: 1,
    inputSequence: 1,
    inputIndex: number,
    storedAt: 0
  })

  beforeAll(async () => {
    const held = [0, 0]
    for (const [index, added] of counts.entries()) {
      const lines = users.map((userId, user) => {
        const before = held[user] ?? 0
        const count = before + (added[user] ?? 0)
        held[user] = count
        const purchases = Array.from({ length: count - before }, (_, place) => purchaseOf(userId, before + place + 1))
        const total = BigInt(count) * (purchases[0]?.valueCents ?? 0n)
        const previous = sequences.toReversed()
        const revision = { total, count, decidedThrough: 0, purchases, reversals: 0, repeats: new Map(), previous }
        return { userId, revision: { ...revision, unsealed: index + 1, segment: 0 } }
      })
      sequences.push(await commitByHand(service.client, service.settings.partitions, lines))
    }
  })

  it("two accounts of one commit each have their own total and their own ETag", async () => {
    const [ofKim, ofLea] = await Promise.all(users.map((user) => service.get(`/users/${user}/total`)))
    expect({ kim: ofKim?.headers["etag"], lea: ofLea?.headers["etag"] }).toEqual({
      kim: `"${sequences[1]}"`,
      lea: `"${sequences[1]}"`
    })
    expect({ kim: ofKim?.body, lea: ofLea?.body }).toEqual({
      kim: `{"userId":"${kim}","total":4.00,"currency":"USD","purchaseCount":4,"reversalCount":0,"known":true}`,
      lea: `{"userId":"${lea}","total":30.00,"currency":"USD","purchaseCount":3,"reversalCount":0,"known":true}`
    })
  })

  it("two accounts of one commit have receipts with the commit's sequence and their own running totals", async () => {
    const receipt = async (user: string, number: number) => {
      const { body } = await service.get(`/users/${user}/purchases/${user}-${number}`)
      const { ledgerSequence, runningTotal, userId, appliedAt } = JSON.parse(body) as Record<string, unknown>
      return { userId, ledgerSequence, runningTotal, appliedAt }
    }
    const { time } = await newestRevision(kim)
    expect(await Promise.all([receipt(kim, 1), receipt(lea, 2), receipt(kim, 4), receipt(lea, 3)])).toEqual([
      { userId: kim, ledgerSequence: sequences[0], runningTotal: 1, appliedAt: expect.any(String) },
      { userId: lea, ledgerSequence: sequences[0], runningTotal: 20, appliedAt: expect.any(String) },
      { userId: kim, ledgerSequence: sequences[1], runningTotal: 4, appliedAt: time },
      { userId: lea, ledgerSequence: sequences[1], runningTotal: 30, appliedAt: time }
    ])
    expect((await service.get(`/users/${kim}/purchases/${lea}-3`)).status).toBe(404)
  })

  it("two accounts of one commit have pages of their own history, and refuse each other's cursors", async () => {
    const pages = async (user: string) => {
      const found: Array<string> = []
      const cursors: Array<string> = []
      for (let path: string | undefined = `/users/${user}/purchases?limit=2`; path !== undefined;) {
        const page = JSON.parse((await service.get(path)).body) as {
          purchases: ReadonlyArray<{ purchaseId: string }>
          next?: string
        }
        found.push(...page.purchases.map(({ purchaseId }) => purchaseId))
        path = page.next
        if (path !== undefined) cursors.push(new URLSearchParams(path.split("?")[1]).get("cursor") ?? "")
      }
      return { found, cursors }
    }
    const [ofKim, ofLea] = [await pages(kim), await pages(lea)]
    expect(ofKim.found).toEqual([4, 3, 2, 1].map((number) => `${kim}-${number}`))
    expect(ofLea.found).toEqual([3, 2, 1].map((number) => `${lea}-${number}`))
    expect({ kim: ofKim.cursors.length, lea: ofLea.cursors.length }).toEqual({ kim: 1, lea: 1 })
    for (const [user, { cursors }] of [
      [kim, ofLea],
      [lea, ofKim]
    ] as const) {
      const path = `/users/${user}/purchases`
      expect(await service.get(`${path}?limit=2&cursor=${cursors[0]}`)).toEqual(
        refusal("malformed-request", "cursor does not belong to this user's history. Begin without a cursor.", path)
      )
    }
  })

  it("in the feeds of two accounts of one commit, each event has the place of its own line of the commit", async () => {
    const feed = async (path: string, lastEventId: string, count: number) => {
      const reader = await served.open(path, lastEventId)
      await until("all is told", () => reader.applied.length >= count)
      reader.close()
      return reader.applied.map(({ id, data }) => [id, data.userId, data.purchaseCount])
    }
    const [first, second] = sequences
    expect(await feed(`/users/${kim}/feed`, "0", 2)).toEqual([
      [`${first}.1`, kim, 1],
      [`${second}.1`, kim, 4]
    ])
    expect(await feed(`/users/${lea}/feed`, `${first}.1`, 2)).toEqual([
      [`${first}.2`, lea, 2],
      [`${second}.2`, lea, 3]
    ])
    expect(await feed("/feed", `${first}.1`, 3)).toEqual([
      [`${first}.2`, lea, 2],
      [`${second}.1`, kim, 4],
      [`${second}.2`, lea, 3]
    ])
  })
})
