import { Context, Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import { valueMax } from "../../src/account/Money.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { answered, inputMessages, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()

const buy = (members: Record<string, unknown>) => service.post(purchaseText(members))

describe("GET /total/{id}", () => {
  it("GET /total is a JSON number of exact cents, with the currency", async () => {
    await buy({ userId: "exact", purchaseId: "a", value: 0.1, quantity: 1 })
    await buy({ userId: "exact", purchaseId: "b", value: 0.2, quantity: 1 })
    expect(await service.get("/total/exact")).toEqual(
      answered(200, '{"userId":"exact","totalDebt":0.30,"currency":"USD"}')
    )
    await buy({ userId: "exact", purchaseId: "c", value: 756_966.99, quantity: 2 })
    expect(await service.get("/total/exact")).toEqual(
      answered(200, '{"userId":"exact","totalDebt":1513934.28,"currency":"USD"}')
    )
  })

  it("GET /total is exact even if no float can hold the total", async () => {
    const publisher = Context.get(service.edge.services, PurchasePublisher)
    const most = { productName: "Yacht", productType: "Outdoor", valueCents: valueMax, quantity: 10_000 }
    const purchases = Array.from({ length: 9_100 }, (_, index) => ({
      ...most,
      userId: "rich" as UserId,
      purchaseId: `y${index}` as PurchaseId
    }))
    const results = await Effect.runPromise(publisher.publish(purchases))
    expect(results.every(Exit.isSuccess)).toBe(true)
    const posted = await service.post(purchaseText({ userId: "rich", value: 0.01, quantity: 1 }), { prefer: "wait=30" })
    expect(posted.body).toContain('"runningTotal":91000000000000.01,')
    expect((await service.get("/total/rich")).body).toBe(
      '{"userId":"rich","totalDebt":91000000000000.01,"currency":"USD"}'
    )
  })

  it("GET /total is 0 for an unknown user", async () => {
    expect(await service.get("/total/nobody")).toEqual(
      answered(200, '{"userId":"nobody","totalDebt":0.00,"currency":"USD"}')
    )
  })

  it("GET /total includes a purchase that was acknowledged just before, even if many totals are read at once", async () => {
    const users = Array.from({ length: 8 }, (_, index) => `strong${index}`)
    const rounds = Array.from({ length: 6 }, (_, index) => index + 1)
    await Promise.all(
      users.map(async (userId) => {
        for (const round of rounds) {
          const { status } = await buy({ userId, purchaseId: `p${round}`, value: 1, quantity: 1 })
          expect(status).toBe(202)
          const { body } = await service.get(`/total/${userId}`)
          expect(body).toBe(`{"userId":"${userId}","totalDebt":${round}.00,"currency":"USD"}`)
        }
      })
    )
  })

  it("GET /total takes strong or eventual as its consistency, and refuses any other word", async () => {
    await buy({ userId: "known", purchaseId: "a", value: 3, quantity: 1 })
    const strong = await service.get("/total/known?consistency=strong")
    expect(strong).toEqual(answered(200, '{"userId":"known","totalDebt":3.00,"currency":"USD"}'))
    expect(await service.get("/total/known?consistency=eventual")).toEqual(strong)
    expect(await service.get("/total/known?consistency=maybe")).toEqual(
      refusal("malformed-request", "consistency must be strong or eventual.", "/total/known")
    )
  })
})

describe("GET /history/{id}", () => {
  it("GET /history has the newest 20 purchases with the oldest first, and the count of all purchases", async () => {
    for (let index = 1; index <= 25; index += 1) {
      await buy({ userId: "historian", purchaseId: `p${index}`, value: index + 0.5, quantity: 2 })
    }
    const newest = Array.from({ length: 20 }, (_, index) => index + 6).map(
      (index) =>
        `{"purchaseId":"p${index}","userId":"historian","productName":"Lamp","productType":"Office","value":${index}.50,"quantity":2,"total":${2 * index + 1}.00}`
    )
    expect(await service.get("/history/historian")).toEqual(
      answered(200, `{"userId":"historian","purchaseCount":25,"purchases":[${newest.join(",")}]}`)
    )
  })

  it("GET /history is empty for an unknown user", async () => {
    expect(await service.get("/history/nobody")).toEqual(
      answered(200, '{"userId":"nobody","purchaseCount":0,"purchases":[]}')
    )
  })
})

describe("GET /idempotent-test/{userId}/{product}/{value}/{qty}", () => {
  const note = "The purchaseId is made from the content, so the same purchase again counts once."
  const uuidOf = (body: string) => /"purchaseId":"([^"]*)"/.exec(body)?.[1] ?? ""

  it("GET /idempotent-test makes a UUID from the content, so that a repeat counts once", async () => {
    const first = await service.get("/idempotent-test/idem/Desk%20Lamp/5.1/3")
    const purchaseId = uuidOf(first.body)
    expect(purchaseId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(first).toEqual(
      answered(
        200,
        `{"userId":"idem","purchaseId":"${purchaseId}","product":"Desk Lamp","value":5.10,"quantity":3,"total":15.30,"note":"${note}"}`
      )
    )
    expect(await service.get("/idempotent-test/idem/Desk%20Lamp/5.1/3")).toEqual(first)
    // The same amount in other digits is the same content.
    for (const amounts of ["5.10/3", "5.100/3.0", "51e-1/0.3e1"]) {
      expect(await service.get(`/idempotent-test/idem/Desk%20Lamp/${amounts}`)).toEqual(first)
    }
    expect((await service.get("/total/idem")).body).toBe('{"userId":"idem","totalDebt":15.30,"currency":"USD"}')
  })

  it("GET /idempotent-test counts another purchase for another user, product, value or quantity", async () => {
    const paths = ["distinct/A/1/12", "distinct/A/11/2", "distinct/A1/1/2", "distinct/A/1/2", "distinct2/A/1/2"]
    const answers = await Promise.all(paths.map((path) => service.get(`/idempotent-test/${path}`)))
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200))
    expect(new Set(answers.map(({ body }) => uuidOf(body))).size).toBe(paths.length)
    expect((await service.get("/total/distinct")).body).toBe('{"userId":"distinct","totalDebt":38.00,"currency":"USD"}')
  })

  it.each([
    ["u/A/x/1", "malformed-request", "value x is not a number."],
    ["u/A/NaN/1", "malformed-request", "value NaN is not a number."],
    ["u/A/1e400/1", "refused-by-rules", "value 1e400 is out of range."],
    ["u/A/1.005/1", "refused-by-rules", "value 1.005 has more than two decimal places."],
    ["u/A/0/1", "refused-by-rules", "value must be above 0, and is 0."],
    ["u/A/-0/1", "refused-by-rules", "value must be above 0, and is -0."],
    ["u/A/-5/1", "refused-by-rules", "value must be above 0, and is -5."],
    ["u/A/1000000.01/1", "refused-by-rules", "value must be at most 1000000.00, and is 1000000.01."],
    ["u/A/1/0", "refused-by-rules", "quantity must be a whole number from 1 to 100000, and is 0."],
    ["u/A/1/1.5", "refused-by-rules", "quantity must be a whole number from 1 to 100000, and is 1.5."],
    ["u/A/1/100001", "refused-by-rules", "quantity must be a whole number from 1 to 100000, and is 100001."],
    ["u/A/1000000/10001", "refused-by-rules", "value times quantity must be at most 10000000000.00."]
  ] as const)("GET /idempotent-test refuses %s", async (path, kind, detail) => {
    expect(await service.get(`/idempotent-test/${path}`)).toEqual(refusal(kind, detail, `/idempotent-test/${path}`))
  })

  it("GET /idempotent-test stores nothing of a request that it refuses", async () => {
    await service.get("/idempotent-test/untouched/A/0/1")
    const messages = await inputMessages(service.client)
    expect(messages.flatMap(({ purchases }) => purchases).filter(({ userId }) => userId === "untouched")).toEqual([])
  })
})
