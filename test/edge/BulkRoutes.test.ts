import { Context, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { QueryClient } from "../../src/asking/QueryClient.ts"
import { bulkGroupsMax } from "../../src/edge/runtime/BulkGroups.ts"
import { NewId } from "../../src/edge/runtime/EdgeRuntime.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { messagePurchasesMax } from "../../src/protocol/PurchaseMessage.ts"
import { answered, appOn, inputMessages, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()

const storedOf = async (userId: string) =>
  (await inputMessages(service.client)).flatMap(({ purchases }) => purchases).filter((one) => one.userId === userId)

const decimal = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`

describe("GET /generate/{count}/{id}", () => {
  it("GET /generate answers when all purchases are stored, and each purchase has a random known product", async () => {
    expect(await service.get("/generate/1200/gen")).toEqual(
      answered(200, '{"userId":"gen","purchasesGenerated":1200,"status":"success"}')
    )
    const stored = await storedOf("gen")
    expect(stored).toHaveLength(1200)
    expect(new Set(stored.map(({ purchaseId }) => purchaseId)).size).toBe(1200)
    expect(new Set(stored.map(({ productName }) => productName)).size).toBe(10)
    expect(new Set(stored.map(({ productType }) => productType)).size).toBe(5)
    expect(new Set(stored.map(({ quantity }) => quantity))).toEqual(new Set([1, 2, 3, 4, 5]))
    expect(stored.filter(({ valueCents }) => valueCents < 1_000 || valueCents > 100_000)).toEqual([])

    const cents = stored.reduce((sum, { valueCents, quantity }) => sum + valueCents * quantity, 0)
    const { body } = await service.get("/users/gen/total")
    expect(body).toBe(
      `{"userId":"gen","total":${decimal(cents)},"currency":"USD","purchaseCount":1200,"reversalCount":0,"known":true}`
    )
  })

  it("GET /generate stores one purchase if it is asked for one purchase", async () => {
    expect(await service.get("/generate/1/single")).toEqual(
      answered(200, '{"userId":"single","purchasesGenerated":1,"status":"success"}')
    )
    expect(await storedOf("single")).toHaveLength(1)
  })

  it("GET /generate never takes more than its share of the room for waiting purchases at an edge", async () => {
    const publisher = Context.get(service.edge.services, PurchasePublisher)
    let most = 0
    const watched = PurchasePublisher.of({
      ...publisher,
      publish: (purchases, options) =>
        Effect.suspend(() => {
          most = Math.max(most, publisher.waiting() + purchases.length)
          return publisher.publish(purchases, options)
        })
    })
    const app = appOn(Context.add(service.edge.services, PurchasePublisher, watched))
    expect(await seen(app.request("/generate/10000/streamed"))).toEqual(
      answered(200, '{"userId":"streamed","purchasesGenerated":10000,"status":"success"}')
    )
    expect(most).toBe(bulkGroupsMax * messagePurchasesMax)
    expect(publisher.waiting()).toBe(0)
  })

  it("all requests of GET /generate together store few purchases ahead of those that are applied", async () => {
    const publisher = Context.get(service.edge.services, PurchasePublisher)
    const queries = Context.get(service.edge.services, QueryClient)
    let [ahead, most] = [0, 0]
    const watchedPublisher = PurchasePublisher.of({
      ...publisher,
      publish: (purchases, options) =>
        Effect.suspend(() => {
          ahead += purchases.length
          most = Math.max(most, ahead)
          return publisher.publish(purchases, options)
        })
    })
    const watchedQueries = QueryClient.of({
      ask: (question, options) =>
        Effect.map(queries.ask(question, options), (reply) => {
          if (reply.kind === "outcome" && reply.entry !== undefined) ahead -= messagePurchasesMax
          return reply
        })
    })
    const app = appOn(
      Context.add(Context.add(service.edge.services, PurchasePublisher, watchedPublisher), QueryClient, watchedQueries)
    )
    const users = ["paced-1", "paced-2", "paced-3"]
    const answers = await Promise.all(users.map((user) => seen(app.request(`/generate/5000/${user}`))))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(most).toBe(bulkGroupsMax * messagePurchasesMax)
    expect(ahead).toBe(0)
  })
})

describe("GET /duplicate/{count}/{id}", () => {
  const note = "All of them carry one purchaseId, so the account counts one purchase."

  it("GET /duplicate sends one purchase `count` times, and the account counts the purchase once", async () => {
    const app = appOn(Context.add(service.edge.services, NewId, () => "the-one"))
    expect(await seen(app.request("/duplicate/1200/dup"))).toEqual(
      answered(200, `{"userId":"dup","purchaseId":"the-one","duplicatesSent":1200,"status":"success","note":"${note}"}`)
    )
    const copy = {
      purchaseId: "the-one",
      userId: "dup",
      productName: "Laptop",
      productType: "Electronics",
      valueCents: 5_000,
      quantity: 2
    }
    expect(await storedOf("dup")).toEqual(Array.from({ length: 1_200 }, () => copy))
    expect((await service.get("/users/dup/total")).body).toBe(
      '{"userId":"dup","total":100.00,"currency":"USD","purchaseCount":1,"reversalCount":0,"known":true}'
    )
    const receipt = await service.get("/users/dup/purchases/the-one")
    expect(receipt.body).toContain('"repeatsDropped":1199,"conflictsRejected":0')
  })

  it("GET /duplicate takes a new id for each request", async () => {
    await service.get("/duplicate/1/fresh")
    await service.get("/duplicate/1/fresh")
    const ids = (await storedOf("fresh")).map(({ purchaseId }) => purchaseId)
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

describe("the count of a bulk request", () => {
  const counts = ["0", "-1", "1e3", "1e9", "1000001", "1000000000", "01x", "1.0", "+1", "NaN", "0x10", "%201"]
  const cases = ["generate", "duplicate"].flatMap((route) => counts.map((count) => [route, count] as const))
  it.each(cases)("the count of /%s may not be %s", async (route, count) => {
    expect(await service.get(`/${route}/${count}/counted`)).toEqual(
      refusal(
        "malformed-request",
        `count must be a whole number from 1 to 1000000, and is ${decodeURIComponent(count)}.`,
        `/${route}/${count}/counted`
      )
    )
  })

  it("a count that is refused stores nothing", async () => {
    expect(await storedOf("counted")).toEqual([])
  })
})
