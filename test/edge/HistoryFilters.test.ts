import { beforeAll, describe, expect, it } from "vitest"
import { purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()
const path = "/users/filtered/purchases"

interface Entry {
  readonly number: number
  readonly productName: string
  readonly productType: string
  readonly storedAt: string
}
interface Page {
  readonly purchases: ReadonlyArray<Entry>
  readonly next?: string
}

const pageAt = async (url: string): Promise<Page> => {
  const { status, body } = await service.get(url)
  expect({ url, status }).toEqual({ url, status: 200 })
  return JSON.parse(body) as Page
}

/** Follows `next` from a path to the last page. */
const walk = async (first: string): Promise<ReadonlyArray<Entry>> => {
  const found: Array<Entry> = []
  for (let url: string | undefined = first; url !== undefined;) {
    const page: Page = await pageAt(url)
    found.push(...page.purchases)
    url = page.next
  }
  return found
}
const numbersAt = async (query: string) => (await walk(`${path}?limit=3${query}`)).map(({ number }) => number)

const products = ["Lamp", "Desk", "Chair"]
const types = ["Office", "Home"]
let all: ReadonlyArray<Entry> = []

beforeAll(async () => {
  for (let index = 0; index < 24; index += 1) {
    const productName = products[index % 3]
    const productType = types[index % 2]
    const text = purchaseText({ userId: "filtered", purchaseId: `f${index}`, productName, productType })
    expect((await service.post(text)).status).toBe(202)
  }
  all = (await walk(path)).toReversed()
  expect(all).toHaveLength(24)
})

describe("a filtered history", () => {
  const numbersOf = (wanted: (entry: Entry) => boolean) => all.filter(wanted).map(({ number }) => number)

  it("a filter by a number, a product or a type gives the matching entries, oldest or newest first", async () => {
    for (const [query, fits] of [
      ["", () => true],
      ["&after=7", ({ number }: Entry) => number > 7],
      ["&before=7", ({ number }: Entry) => number < 7],
      ["&after=4&before=20", ({ number }: Entry) => number > 4 && number < 20],
      ["&product=Lamp", ({ productName }: Entry) => productName === "Lamp"],
      ["&productType=Home", ({ productType }: Entry) => productType === "Home"],
      [
        "&product=Desk&productType=Office&after=3",
        ({ number, productName, productType }: Entry) =>
          number > 3 && productName === "Desk" && productType === "Office"
      ],
      ["&product=lamp", () => false]
    ] as const) {
      const expected = numbersOf(fits)
      expect({ query, numbers: await numbersAt(query) }).toEqual({ query, numbers: expected.toReversed() })
      expect({ query, numbers: await numbersAt(`${query}&order=oldest`) }).toEqual({ query, numbers: expected })
    }
  })

  it("a filter `from` includes its moment, and a filter `to` excludes its moment", async () => {
    const [first, last] = [all[5]?.storedAt ?? "", all[15]?.storedAt ?? ""]
    const expected = numbersOf(({ storedAt }) => storedAt >= first && storedAt < last)
    expect(expected).toContain(6)
    expect(expected).not.toContain(16)
    expect(await numbersAt(`&from=${first}&to=${last}&order=oldest`)).toEqual(expected)
    expect(await numbersAt(`&from=${first}&to=${last}`)).toEqual(expected.toReversed())
  })

  it("the next page of a filtered history has the filter in its path, and its own ETag", async () => {
    const first = await service.get(`${path}?limit=2&order=oldest&after=3&productType=Home`)
    const { next } = JSON.parse(first.body) as Page
    expect(next).toMatch(
      /^\/users\/filtered\/purchases\?limit=2&order=oldest&after=3&productType=Home&cursor=[A-Za-z0-9_-]+$/
    )
    expect(first.headers["link"]).toBe(`<${next}>; rel="next"`)
    const etags = await Promise.all(
      ["limit=2", "limit=2&order=oldest", "limit=2&order=oldest&after=3", next?.split("?")[1] ?? ""].map(
        async (query) => (await service.get(`${path}?${query}`)).headers["etag"]
      )
    )
    expect(new Set(etags).size).toBe(4)
    const again = await service.get(next ?? "", { "if-none-match": etags[3] ?? "" })
    expect({ status: again.status, body: again.body }).toEqual({ status: 304, body: "" })
  })

  it("the filtered history of an unknown user is empty", async () => {
    expect((await service.get("/users/nobody-yet/purchases?order=oldest")).body).toBe(
      '{"userId":"nobody-yet","total":0.00,"currency":"USD","purchaseCount":0,"reversalCount":0,"known":false,"purchases":[]}'
    )
  })

  it.each([
    ["order=largest", "order must be newest or oldest."],
    [
      "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
      "from must be before to, and is 2026-01-02T00:00:00.000Z; to is 2026-01-01T00:00:00.000Z."
    ],
    ["after=8&before=8", "after must be below before, and is 8; before is 8."],
    ["before=0", "before must be a whole number from 1 to 999999999999999, and is 0."],
    ["product=", "product must not be empty."]
  ])("a history refuses %s", async (query, detail) => {
    expect(await service.get(`${path}?${query}`)).toEqual(refusal("malformed-request", detail, path))
  })

  it("a filtered history refuses a cursor of another user", async () => {
    const other = await pageAt(`${path}?order=oldest&limit=1`)
    const cursor = new URLSearchParams(other.next?.split("?")[1]).get("cursor")
    const target = "/users/nobody-yet/purchases"
    expect(await service.get(`${target}?order=oldest&cursor=${cursor}`)).toEqual(
      refusal("malformed-request", "cursor does not belong to this user's history. Begin without a cursor.", target)
    )
  })
})
