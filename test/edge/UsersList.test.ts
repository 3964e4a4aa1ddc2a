import { Context, Effect } from "effect"
import { beforeAll, describe, expect, it } from "vitest"
import { QueryClient } from "../../src/asking/QueryClient.ts"
import type { Question, Reply } from "../../src/protocol/Query.ts"
import { appOn, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()

interface Listed {
  readonly userId: string
  readonly total: number
  readonly purchaseCount: number
}
interface Page {
  readonly users: ReadonlyArray<Listed>
  readonly next?: string
}

const pageAt = async (url: string): Promise<Page> => {
  const { status, body } = await service.get(url)
  expect({ url, status }).toEqual({ url, status: 200 })
  return JSON.parse(body) as Page
}

/** Follows `next` to the last page. `between` runs before each further page. */
const walk = async (first: string, between: (page: Page) => Promise<unknown> = async () => undefined) => {
  const found: Array<Listed> = []
  for (let url: string | undefined = first; url !== undefined;) {
    const page: Page = await pageAt(url)
    found.push(...page.users)
    url = page.next
    await between(page)
  }
  return found
}
const idsOf = (users: ReadonlyArray<Listed>) => users.map(({ userId }) => userId)

const buy = async (userId: string, purchaseId: string) => {
  expect((await service.post(purchaseText({ userId, purchaseId, value: 1, quantity: 1 }))).status).toBe(202)
}
/** Waits until all stored purchases of a user are applied. */
const applied = (userId: string) => service.get(`/users/${encodeURIComponent(userId)}/total`)

const ids = [...Array.from({ length: 60 }, (_, index) => `user-${index}`), "ann@x.org", "anna", "Ännchen", "änn", "ΩΩ"]

beforeAll(async () => {
  for (const [index, userId] of ids.entries()) {
    for (let count = 0; count <= index % 3; count += 1) await buy(userId, `p${count}`)
  }
  await Promise.all(ids.map(applied))
})

describe("GET /users", () => {
  it.each([1, 7, 100])("pages of %i users list each user once, with its total and counts", async (limit) => {
    const found = await walk(`/users?limit=${limit}`)
    expect(idsOf(found).toSorted()).toEqual(ids.toSorted())
    for (const { userId, total, purchaseCount } of found) {
      const count = (ids.indexOf(userId) % 3) + 1
      expect({ userId, total, purchaseCount }).toEqual({ userId, total: count, purchaseCount: count })
    }
  })

  it("the list has each user with all members, and a link to the next page", async () => {
    const one = await service.get("/users?prefix=anna")
    expect(one.body).toContain('{"userId":"anna","total":2.00,"currency":"USD","purchaseCount":2,"reversalCount":0}')
    const { headers, body } = await service.get("/users?limit=2")
    expect(headers["link"]).toBe(`<${(JSON.parse(body) as Page).next}>; rel="next"`)
  })

  it.each([
    ["ann", ["ann@x.org", "anna"]],
    ["user-1", ["user-1", ...Array.from({ length: 10 }, (_, index) => `user-1${index}`)]],
    ["Ä", ["Ännchen"]],
    ["a\u0308", ["änn"]],
    ["nobody", []]
  ])("the prefix %s lists the users whose ids begin with it", async (prefix, expected) => {
    const found = await walk(`/users?limit=3&prefix=${encodeURIComponent(prefix)}`)
    expect(idsOf(found).toSorted()).toEqual(expected.toSorted())
  })

  it("each user is listed once, even if users buy and new users come between the requests for two pages", async () => {
    let bought = 0
    const found = await walk("/users?limit=5", async ({ users }) => {
      bought += 1
      // A user that was listed, a user that may come later, and a new user.
      const buyers = [users[0]?.userId ?? "user-0", `user-${59 - bought}`, `new-${bought}`]
      for (const userId of buyers) await buy(userId, `later-${bought}`)
      await Promise.all(buyers.map(applied))
    })
    const known = idsOf(found).filter((userId) => !userId.startsWith("new-"))
    expect(known.toSorted()).toEqual(ids.toSorted())
    expect(new Set(idsOf(found)).size).toBe(found.length)
  })

  /**
   * Returns an application whose owners have no user with the prefix, and the partitions that it asks. The ledger
   * has 64 partitions. The owner of the partition `long` looks at as many users as it may, and has more.
   */
  const withoutMatches = (long?: number) => {
    const asked: Array<number> = []
    const answer = (question: Question): Reply => {
      if (question.kind !== "users") throw new Error(`the edge asks for ${question.kind}`)
      asked.push(question.partition)
      if (question.partition === 63) return { kind: "users", users: [] }
      const next = question.partition === long ? { partition: long, from: 7, mark: 1 } : undefined
      return { kind: "users", users: [], next: next ?? { partition: question.partition + 1, from: 0 } }
    }
    const asking = QueryClient.of({ ask: (question) => Effect.sync(() => answer(question)) })
    return { app: appOn(service.edge.services.pipe(Context.add(QueryClient, asking))), asked }
  }

  it("a request with a prefix that nobody has asks 16 partitions, and `next` leads on to the following partitions", async () => {
    const { app, asked } = withoutMatches()
    const first = await seen(app.request("/users?prefix=nobody"))
    const { users, next = "" } = JSON.parse(first.body) as Page
    expect({ users, asked }).toEqual({ users: [], asked: Array.from({ length: 16 }, (_, partition) => partition) })
    await seen(app.request(next))
    expect(asked.slice(16)).toEqual(Array.from({ length: 16 }, (_, index) => 16 + index))
  })

  it("a request with a prefix ends at an owner that has looked at as many users as it may", async () => {
    const { app, asked } = withoutMatches(3)
    const { body } = await seen(app.request("/users?prefix=nobody"))
    expect(asked).toEqual([0, 1, 2, 3])
    const cursor = new URL((JSON.parse(body) as Page).next ?? "", "http://x").searchParams.get("cursor") ?? ""
    expect(Buffer.from(cursor, "base64url").toString()).toBe("3.7.1")
  })

  const forged = (text: string) => Buffer.from(text).toString("base64url")
  it.each([
    ["limit=0", "limit must be a whole number from 1 to 100, and is 0."],
    ["cursor=zz", "cursor was not given out by this service. Begin without a cursor."],
    [`cursor=${forged("0.5.12345")}`, "cursor is not of this list any more. Begin without a cursor."],
    [`cursor=${forged("999.0.")}`, "cursor is not of this list any more. Begin without a cursor."]
  ])("the list of users refuses %s", async (query, detail) => {
    expect(await service.get(`/users?${query}`)).toEqual(refusal("malformed-request", detail, "/users"))
  })
})
