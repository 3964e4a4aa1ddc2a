import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { inputMessages, purchaseText, refusal, startService, type TestService } from "../support/TestService.ts"

let service: TestService
const accepted: Array<string> = []
beforeAll(async () => {
  service = await startService()
})
afterAll(async () => {
  // Of all that this file sends, nothing gets to the broker but what a test names as accepted.
  const stored = (await inputMessages(service.client)).flatMap(({ purchases }) => purchases)
  expect(stored.map(({ purchaseId }) => purchaseId).sort()).toEqual(accepted.sort())
  await service.stop()
})

const refused = (detail: string) => refusal("refused-by-rules", detail, "/purchases")

describe("an id", () => {
  const printable = "must not contain control, format or unpaired surrogate characters."
  const segment = "must not contain / or \\, nor be . or .. (an id is one segment of a path)."
  const bad: ReadonlyArray<readonly [id: string, wrong: string]> = [
    ["a\0b", printable],
    ["a\r\nb", printable],
    ["a\u202Eb", printable],
    ["a\u200Bb", printable],
    ["a\u2028b", printable],
    ["../x", segment],
    ["a/b", segment],
    ["a\\b", segment],
    ["x".repeat(65), "must have at most 64 characters."]
  ]
  it.each(bad)("%j is refused as a user in a body and in each path", async (id, wrong) => {
    expect(await service.post(purchaseText({ userId: id }))).toEqual(refused(`userId ${wrong}`))
    const user = encodeURIComponent(id)
    const paths = [
      `/total/${user}`,
      `/history/${user}`,
      `/generate/1/${user}`,
      `/duplicate/1/${user}`,
      `/idempotent-test/${user}/A/1/1`,
      `/users/${user}/total`,
      `/users/${user}/purchases`,
      `/users/${user}/purchases/p1`
    ]
    for (const path of paths) {
      expect(await service.get(path)).toEqual(refusal("refused-by-rules", `userId ${wrong}`, path))
    }
  })

  const badPurchaseIds = [...bad.slice(0, -1), ["x".repeat(129), "must have at most 128 characters."] as const]
  it.each(badPurchaseIds)("%j is refused as a purchase", async (id, wrong) => {
    expect(await service.post(purchaseText({ purchaseId: id }))).toEqual(refused(`purchaseId ${wrong}`))
    const path = `/users/ann/purchases/${encodeURIComponent(id)}`
    expect(await service.get(path)).toEqual(refusal("refused-by-rules", `purchaseId ${wrong}`, path))
  })

  it.each([
    ["userId", "", "must not be empty."],
    ["purchaseId", "", "must not be empty."],
    ["productName", "", "must not be empty."],
    ["productType", "a\nb", printable],
    ["productName", "x".repeat(201), "must have at most 200 characters."],
    ["userId", "\uD800", printable],
    ["userId", "..", segment],
    ["purchaseId", ".", segment]
  ])("%s %j is refused", async (name, text, wrong) => {
    expect(await service.post(purchaseText({ [name]: text }))).toEqual(refused(`${name} ${wrong}`))
  })

  it.each(["%", "%zz", "%ff", "%ED%A0%80", "%C3"])("%s is no encoding of one", async (encoded) => {
    const detail = "The path or query has a malformed percent-encoding."
    expect(await service.get(`/total/${encoded}`)).toEqual(refusal("malformed-request", detail, "/"))
    expect(await service.get(`/users/ann/purchases?cursor=${encoded}`)).toEqual(
      refusal("malformed-request", detail, "/")
    )
  })

  it.each(["*", ">", "a.b", "*.*", "$KV", "=many", "a b", "x".repeat(64)])(
    "%s is one user among others, and no pattern",
    async (userId) => {
      for (const buyer of [userId, "bystander"]) {
        const purchaseId = `${accepted.length}`
        accepted.push(purchaseId)
        expect((await service.post(purchaseText({ userId: buyer, purchaseId }))).status).toBe(202)
      }
      const { body } = await service.get(`/users/${encodeURIComponent(userId)}/total`)
      expect(body).toBe(`{"userId":"${userId}","total":25.00,"currency":"USD","purchaseCount":1}`)
    }
  )

  it("is one user, whether its é is composed or not", async () => {
    for (const userId of ["Ren\u00e9", "Rene\u0301"]) {
      const purchaseId = `${accepted.length}`
      accepted.push(purchaseId)
      const answer = await service.post(purchaseText({ userId, purchaseId }))
      expect(answer.status).toBe(202)
      expect(answer.headers["location"]).toBe(`/users/Ren%C3%A9/purchases/${purchaseId}`)
    }
    for (const userId of ["Ren\u00e9", "Rene\u0301"]) {
      const { body } = await service.get(`/total/${encodeURIComponent(userId)}`)
      expect(body).toBe('{"userId":"Ren\u00e9","totalDebt":50.00,"currency":"USD"}')
    }
  })
})
