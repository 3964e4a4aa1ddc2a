import { describe, expect, it } from "vitest"
import { commitByHand } from "../support/CommitByHand.ts"
import { answered, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()

/** Writes an account with a purchase of 1.00 for each of these times of storing, each in its own revision. */
const accountOf = async (userId: string, times: ReadonlyArray<string>) => {
  const previous: Array<number> = []
  for (const [index, time] of times.entries()) {
    const purchase = {
      purchaseId: `p${index}`,
      productName: "Lamp",
      productType: "Office",
      valueCents: 100n,
      quantity: 1,
      inputSequence: index + 1,
      inputIndex: 0,
      storedAt: Date.parse(time)
    }
    const revision = {
      total: BigInt(index + 1) * 100n,
      count: index + 1,
      decidedThrough: index + 1,
      purchases: [purchase],
      reversals: 0,
      repeats: new Map(),
      previous: [...previous],
      unsealed: index + 1,
      segment: 0
    }
    const { partitions } = service.settings
    previous.unshift(await commitByHand(service.client, partitions, [{ userId, revision }]))
  }
  return previous[0] ?? 0
}

const spending = async (path: string) => {
  const { status, body } = await service.get(path)
  expect(status, body).toBe(200)
  return JSON.parse(body) as {
    readonly total: number
    readonly purchaseCount: number
    readonly windows: ReadonlyArray<{ from: string; to: string; total: number; purchaseCount: number }>
    readonly next?: string
  }
}

describe("GET /users/{id}/spending", () => {
  const days = [
    "2026-03-28T22:59:59.999Z", // the last moment of the 28th in Berlin
    "2026-03-28T23:00:00.000Z", // the first of the 29th, which has 23 hours
    "2026-03-29T21:59:59.999Z",
    "2026-03-29T22:00:00.000Z",
    "2026-03-31T12:00:00.000Z"
  ]

  it("spending has the amount of each day of a time zone, and 0 for days without a purchase", async () => {
    const revision = await accountOf("berliner", days)
    const path =
      "/users/berliner/spending?by=day&from=2026-03-28T00:00:00%2B01:00&to=2026-04-01T00:00:00%2B02:00&timeZone=Europe/Berlin"
    const answer = await service.get(path)
    const window = (from: string, to: string, count: number) =>
      `{"from":"2026-${from}","to":"2026-${to}","total":${count}.00,"purchaseCount":${count},"reversalCount":0}`
    const windows = [
      window("03-28T00:00:00+01:00", "03-29T00:00:00+01:00", 1),
      window("03-29T00:00:00+01:00", "03-30T00:00:00+02:00", 2),
      window("03-30T00:00:00+02:00", "03-31T00:00:00+02:00", 1),
      window("03-31T00:00:00+02:00", "04-01T00:00:00+02:00", 1)
    ]
    const expected = `{"userId":"berliner","by":"day","timeZone":"Europe/Berlin","from":"2026-03-28T00:00:00+01:00","to":"2026-04-01T00:00:00+02:00","currency":"USD","total":5.00,"purchaseCount":5,"reversalCount":0,"windows":[${windows.join(",")}]}`
    const range = `${Date.parse("2026-03-27T23:00:00Z")}.${Date.parse("2026-03-31T22:00:00Z")}`
    const etag = `"${revision}.day.${range}.Europe/Berlin"`
    expect(answer).toEqual(answered(200, expected, { "cache-control": "private, no-cache", etag }))
    expect((await service.get(path, { "if-none-match": etag })).status).toBe(304)
  })

  it("spending has the same purchases by hour, by day and by month, in any zone", async () => {
    const revision = await accountOf("everywhere", days)
    expect(revision).toBeGreaterThan(0)
    for (const timeZone of ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]) {
      for (const by of ["hour", "day", "month"]) {
        const found = await spending(
          `/users/everywhere/spending?by=${by}&from=2026-03-20T10:17:03Z&to=2026-03-31T12:00:00.001Z&timeZone=${timeZone}`
        )
        expect({ total: found.total, purchaseCount: found.purchaseCount, next: found.next }).toEqual({
          total: 5,
          purchaseCount: 5,
          next: undefined
        })
        expect(found.windows.reduce((sum, { total }) => sum + total, 0)).toBe(5)
        expect(found.windows.reduce((sum, { purchaseCount }) => sum + purchaseCount, 0)).toBe(5)
      }
    }
  })

  it("an answer with spending has a link to the windows that do not fit into the answer", async () => {
    await accountOf("pages", days)
    const windows: Array<unknown> = []
    let count = 0
    let path: string | undefined =
      "/users/pages/spending?by=hour&from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z&timeZone=Europe/Berlin"
    const sizes: Array<number> = []
    while (path !== undefined) {
      const answer = await service.get(path)
      const found = await spending(path)
      expect(answer.headers["link"]).toBe(found.next === undefined ? undefined : `<${found.next}>; rel="next"`)
      windows.push(...found.windows)
      sizes.push(found.windows.length)
      count += found.purchaseCount
      path = found.next
    }
    expect(sizes).toEqual([400, 344])
    expect(new Set(windows.map((window) => (window as { from: string }).from)).size).toBe(744)
    expect(count).toBe(5)
  })

  it("spending includes all purchases that were acknowledged before, and ends with the current window", async () => {
    const { status } = await service.post(purchaseText({ userId: "now", purchaseId: "n1" }))
    expect(status).toBe(202)
    for (const [by, windows] of [
      ["hour", 24],
      ["day", 30],
      ["month", 12]
    ] as const) {
      const found = await spending(`/users/now/spending?by=${by}`)
      expect(found.windows.length).toBe(windows)
      expect(found.windows.at(-1)?.purchaseCount).toBe(1)
      expect({ total: found.total, purchaseCount: found.purchaseCount }).toEqual({ total: 25, purchaseCount: 1 })
    }
  })

  it("spending is 0 for an unknown user", async () => {
    const found = await spending("/users/nobody/spending?by=month")
    expect({ total: found.total, purchaseCount: found.purchaseCount, windows: found.windows.length }).toEqual({
      total: 0,
      purchaseCount: 0,
      windows: 12
    })
  })

  it.each([
    ["by=week", "by must be hour or day or month."],
    ["timeZone=Europe/Nowhere", "timeZone must be the name of a time zone like Europe/Berlin, and is Europe/Nowhere."],
    ["timeZone=%2B01:00", "timeZone must be the name of a time zone like Europe/Berlin, and is +01:00."],
    [
      "from=2026-02-30T00:00:00Z",
      "from must be a time from 1970 to 2999 with its offset, like 2026-11-24T18:30:00Z (in a path, + is written %2B), and is 2026-02-30T00:00:00Z."
    ],
    [
      "to=2026-02-20",
      "to must be a time from 1970 to 2999 with its offset, like 2026-11-24T18:30:00Z (in a path, + is written %2B), and is 2026-02-20."
    ],
    [
      "from=2026-02-20T00:00:00Z&to=2026-02-20T00:00:00Z",
      "from must be before to, and is 2026-02-20T00:00:00.000Z; to is 2026-02-20T00:00:00.000Z."
    ]
  ])("spending refuses ?%s", async (query, detail) => {
    expect(await service.get(`/users/ann/spending?${query}`)).toEqual(
      refusal("malformed-request", detail, "/users/ann/spending")
    )
  })
})

describe("GET /users/{id}/total?at=", () => {
  it("the total at a time is the total after the last purchase that was stored until that time", async () => {
    const times = ["2026-05-01T10:00:00.000Z", "2026-05-01T10:00:00.001Z", "2026-05-02T00:00:00.000Z"]
    const revision = await accountOf("past", times)
    const asked: ReadonlyArray<readonly [string, number]> = [
      ["2026-05-01T09:59:59.999Z", 0],
      ["2026-05-01T10:00:00.000Z", 1],
      ["2026-05-01T10:00:00.001Z", 2],
      ["2026-05-01T23:59:59.999Z", 2],
      ["2026-05-02T00:00:00.000Z", 3],
      ["2999-12-31T23:59:59.000Z", 3]
    ]
    for (const [at, count] of asked) {
      expect(await service.get(`/users/past/total?at=${at}`)).toEqual(
        answered(
          200,
          `{"userId":"past","total":${count}.00,"currency":"USD","purchaseCount":${count},"reversalCount":0,"known":true,"at":"${at}"}`,
          {
            "cache-control": "private, no-cache",
            etag: `"${revision}.${Date.parse(at)}"`
          }
        )
      )
    }
  })

  it("a total at a time has an acknowledged purchase from the moment at which the broker stored it", async () => {
    await service.post(purchaseText({ userId: "fresh", purchaseId: "f1" }))
    const receipt = JSON.parse((await service.get("/users/fresh/purchases/f1")).body) as { storedAt: string }
    const stored = Date.parse(receipt.storedAt)
    const countAt = async (at: number) => {
      const { body } = await service.get(`/users/fresh/total?at=${new Date(at).toISOString()}`)
      return (JSON.parse(body) as { purchaseCount: number }).purchaseCount
    }
    expect({ justBefore: await countAt(stored - 1), atThatTime: await countAt(stored) }).toEqual({
      justBefore: 0,
      atThatTime: 1
    })
  })
})
