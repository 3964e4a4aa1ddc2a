import { Context } from "effect"
import { describe, expect, it } from "vitest"
import { NewId } from "../../src/edge/runtime/EdgeRuntime.ts"
import { answered, appOn, inputMessages, postTo, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()

const wait = { prefer: "wait=20" }
const content = (userId: string, purchaseId: string) =>
  `{"purchaseId":"${purchaseId}","userId":"${userId}","productName":"Lamp","productType":"Office","value":12.50,"quantity":2,"total":25.00`
const stored = (userId: string, purchaseId: string, headers: Record<string, string> = {}) =>
  answered(202, `${content(userId, purchaseId)},"status":"stored"}`, {
    location: `/users/${userId}/purchases/${purchaseId}`,
    ...headers
  })
const applied = (userId: string, purchaseId: string, runningTotal: string, headers: Record<string, string> = {}) =>
  answered(201, `${content(userId, purchaseId)},"status":"applied","runningTotal":${runningTotal},"currency":"USD"}`, {
    location: `/users/${userId}/purchases/${purchaseId}`,
    "preference-applied": "wait=20",
    ...headers
  })
const replayed = { "idempotent-replayed": "true" }

describe("POST /purchases", () => {
  it("POST /purchases answers 202 with the receipt's Location once the broker has the purchase on disk", async () => {
    expect(await service.post(purchaseText({ userId: "one", purchaseId: "p1" }))).toEqual(stored("one", "p1"))
    const [message] = (await inputMessages(service.client)).filter(({ subject }) => subject.endsWith(".one"))
    expect(message?.purchases).toEqual([
      {
        purchaseId: "p1",
        userId: "one",
        productName: "Lamp",
        productType: "Office",
        valueCents: 1_250,
        quantity: 2
      }
    ])
  })

  it("POST /purchases takes only a total that is value times quantity", async () => {
    expect(await service.post(purchaseText({ userId: "sum", purchaseId: "p1", total: 25 }))).toEqual(
      stored("sum", "p1")
    )
    expect(await service.post(purchaseText({ userId: "sum", purchaseId: "p2", total: 25.01 }))).toEqual(
      refusal("refused-by-rules", "total must be value times quantity, 25.00, or be left out.", "/purchases")
    )
  })

  it("POST /purchases answers with a Location that can be followed, even for ids with special characters", async () => {
    const place = "/users/ann%40x.org%3F%23%20%C3%A9/purchases/%2520%26%3E*"
    const answer = await service.post(purchaseText({ userId: "ann@x.org?# é", purchaseId: "%20&>*" }), wait)
    expect(answer.status).toBe(201)
    expect(answer.headers["location"]).toBe(place)
    const receipt = await service.get(place)
    expect(receipt.status).toBe(200)
    expect(receipt.body).toContain('"purchaseId":"%20&>*","userId":"ann@x.org?# é"')
  })

  it("POST /purchases takes the longest ids that the rules allow", async () => {
    const userId = "\u{1f6d2}".repeat(64)
    const purchaseId = "\u{1f9fe}".repeat(128)
    expect((await service.post(purchaseText({ userId, purchaseId }), wait)).status).toBe(201)
    expect((await service.get(`/total/${encodeURIComponent(userId)}`)).body).toBe(
      `{"userId":"${userId}","totalDebt":25.00,"currency":"USD"}`
    )
  })

  it("POST /purchases takes the highest value, quantity and total, and adds such totals exactly", async () => {
    const most = { value: 1_000_000, quantity: 10_000 }
    expect((await service.post(purchaseText({ userId: "most", purchaseId: "p1", ...most }), wait)).body).toBe(
      '{"purchaseId":"p1","userId":"most","productName":"Lamp","productType":"Office","value":1000000.00,"quantity":10000,"total":10000000000.00,"status":"applied","runningTotal":10000000000.00,"currency":"USD"}'
    )
    const many = { value: 0.01, quantity: 100_000 }
    expect((await service.post(purchaseText({ userId: "most", purchaseId: "p2", ...many }), wait)).body).toContain(
      '"value":0.01,"quantity":100000,"total":1000.00,"status":"applied","runningTotal":10000001000.00'
    )
  })
})

describe("the id of a purchase", () => {
  it("the id of a purchase is a new UUID if the caller gives no id", async () => {
    const ids = await Promise.all(
      [1, 2].map(async () => {
        const { status, headers } = await service.post(purchaseText({ userId: "anon" }))
        expect(status).toBe(202)
        return headers["location"]?.split("/").at(-1) ?? ""
      })
    )
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const app = appOn(Context.add(service.edge.services, NewId, () => "given"))
    expect(await postTo(app, purchaseText({ userId: "anon" }))).toEqual(stored("anon", "given"))
  })

  it.each([
    ["bare-key", "bare-key"],
    ['"quoted-key"', "quoted-key"]
  ])("the id of a purchase is the Idempotency-Key %s if the body names none", async (header, purchaseId) => {
    const post = () => service.post(purchaseText({ userId: "keyed" }), { "idempotency-key": header })
    expect(await post()).toEqual(stored("keyed", purchaseId))
    expect(await post()).toEqual(stored("keyed", purchaseId, replayed))
  })

  it("the id of a purchase may stand both in the body and in the header if both are equal", async () => {
    const post = (key: string) =>
      service.post(purchaseText({ userId: "both", purchaseId: "p1" }), { "idempotency-key": key })
    expect(await post('"p1"')).toEqual(stored("both", "p1"))
    expect(await post("p2")).toEqual(
      refusal("malformed-request", "purchaseId and Idempotency-Key differ: send one of them.", "/purchases")
    )
  })

  it("a purchase of another user under the same id is another purchase", async () => {
    expect(await service.post(purchaseText({ userId: "mine", purchaseId: "p1" }), wait)).toEqual(
      applied("mine", "p1", "25.00")
    )
    expect(await service.post(purchaseText({ userId: "yours", purchaseId: "p1" }), wait)).toEqual(
      applied("yours", "p1", "25.00")
    )
  })
})

describe("the header Prefer: wait", () => {
  it("a post with Prefer: wait is answered 201 with the running total when the purchase is applied", async () => {
    expect(await service.post(purchaseText({ userId: "waits", purchaseId: "p1" }), wait)).toEqual(
      applied("waits", "p1", "25.00")
    )
    expect(await service.post(purchaseText({ userId: "waits", purchaseId: "p2" }), wait)).toEqual(
      applied("waits", "p2", "50.00")
    )
  })

  it.each([
    ["wait=100", "wait=30"],
    ["respond-async, wait=7", "wait=7"],
    ["WAIT = 7", "wait=7"],
    ['wait="7"', "wait=7"],
    ["wait=7; strict", "wait=7"]
  ])("the preference %s is applied as %s", async (prefer, applied) => {
    const { status, headers } = await service.post(purchaseText({ userId: "prefers" }), { prefer })
    expect({ status, preferenceApplied: headers["preference-applied"] }).toEqual({
      status: 201,
      preferenceApplied: applied
    })
  })

  it.each(["wait=0", "wait", "wait=soon", "wait=-1", "wait=1.5", "respond-async", ""])(
    "the preference %s waits for nothing, and is no mistake",
    async (prefer) => {
      const { status, headers } = await service.post(purchaseText({ userId: "ignored" }), { prefer })
      expect({ status, preferenceApplied: headers["preference-applied"] }).toEqual({
        status: 202,
        preferenceApplied: undefined
      })
    }
  )
})

describe("the same purchase again", () => {
  it("the same purchase again gets the same status and body with the mark of a repeat, and counts once", async () => {
    const text = purchaseText({ userId: "again", purchaseId: "p1" })
    expect(await service.post(text)).toEqual(stored("again", "p1"))
    expect(await service.post(text)).toEqual(stored("again", "p1", replayed))
    expect(await service.post(text, wait)).toEqual(applied("again", "p1", "25.00", replayed))
    expect(await service.post(purchaseText({ userId: "again", purchaseId: "p2" }), wait)).toEqual(
      applied("again", "p2", "50.00")
    )
    // The running total of the repeat is that after its purchase, and not the newest total.
    expect(await service.post(text, wait)).toEqual(applied("again", "p1", "25.00", replayed))
    expect((await service.get("/users/again/total")).body).toBe(
      '{"userId":"again","total":50.00,"currency":"USD","purchaseCount":2,"reversalCount":0,"known":true}'
    )
  })

  it("the same purchase in another spelling of its JSON is a repeat", async () => {
    await service.post(purchaseText({ userId: "spelled", purchaseId: "p1" }))
    const other =
      '{ "quantity" : 2, "value" : 12.50, "productType":"\\u004fffice", "productName":"Lamp", "purchaseId":"p1", "userId":"spelled" }'
    expect(await service.post(other)).toEqual(stored("spelled", "p1", replayed))
  })

  it("a purchase that comes many times at once counts once", async () => {
    const text = purchaseText({ userId: "race", purchaseId: "p1" })
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.post(text, wait)))
    expect(answers.map(({ status, body }) => ({ status, body }))).toEqual(
      answers.map(() => ({ status: 201, body: applied("race", "p1", "25.00").body }))
    )
    expect(answers.filter(({ headers }) => headers["idempotent-replayed"] === undefined)).toHaveLength(1)
  })
})
