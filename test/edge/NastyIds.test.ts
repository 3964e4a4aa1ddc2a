import { afterAll, describe, expect, it } from "vitest"
import { inputMessages, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()
const accepted: Array<string> = []
afterAll(async () => {
  // Of the requests of this file, only requests that a test names as accepted get to the broker.
  const stored = (await inputMessages(service.client)).flatMap(({ purchases }) => purchases)
  expect(stored.map(({ purchaseId }) => purchaseId).sort()).toEqual(accepted.sort())
})

const refused = (detail: string) => refusal("refused-by-rules", detail, "/purchases")

describe("an id with strange characters", () => {
  const unprintable = (codePoint: string) =>
    `must not contain control, format or unpaired surrogate characters, and has ${codePoint}.`
  const segment = "must not contain / or \\, nor be . or .. (an id is one segment of a path)."
  const bad: ReadonlyArray<readonly [id: string, wrong: string]> = [
    ["a\0b", unprintable("U+0000")],
    ["a\r\nb", unprintable("U+000D")],
    ["a\u202Eb", unprintable("U+202E")],
    ["a\u200Bb", unprintable("U+200B")],
    ["a\u2028b", unprintable("U+2028")],
    ["../x", segment],
    ["a/b", segment],
    ["a\\b", segment],
    ["x".repeat(65), "must have at most 64 characters."]
  ]
  it.each(bad)("the id %j is refused as a user in a body and in each path", async (id, wrong) => {
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
  it.each(badPurchaseIds)("the id %j is refused as a purchase", async (id, wrong) => {
    expect(await service.post(purchaseText({ purchaseId: id }))).toEqual(refused(`purchaseId ${wrong}`))
    const path = `/users/ann/purchases/${encodeURIComponent(id)}`
    expect(await service.get(path)).toEqual(refusal("refused-by-rules", `purchaseId ${wrong}`, path))
  })

  it.each([
    ["userId", "", "must not be empty."],
    ["purchaseId", "", "must not be empty."],
    ["productName", "", "must not be empty."],
    ["productType", "a\nb", unprintable("U+000A")],
    ["productType", "\uFEFFOffice", unprintable("U+FEFF")],
    ["productName", " \u00a0", "must not be blank."],
    ["productType", "\u200d", "must not be blank."],
    ["productName", "x".repeat(201), "must have at most 200 characters."],
    ["userId", "\uD800", unprintable("U+D800")],
    ["userId", "..", segment],
    ["purchaseId", ".", segment]
  ])("the id %s %j is refused", async (name, text, wrong) => {
    expect(await service.post(purchaseText({ [name]: text }))).toEqual(refused(`${name} ${wrong}`))
  })

  const blankAround = "must not begin or end with a blank."

  it.each(["bob ", " bob", " ", "bob\u00a0", "bob\u3000"])("the id %j is refused as a user", async (id) => {
    expect(await service.post(purchaseText({ userId: id }))).toEqual(refused(`userId ${blankAround}`))
    const user = encodeURIComponent(id)
    for (const path of [`/generate/1/${user}`, `/duplicate/1/${user}`, `/idempotent-test/${user}/A/1/1`]) {
      expect(await service.get(path)).toEqual(refusal("refused-by-rules", `userId ${blankAround}`, path))
    }
    const asked = ["total", "purchases", "purchases/p1", "spending", "feed"].map((what) => `/users/${user}/${what}`)
    for (const path of [...asked, `/total/${user}`, `/history/${user}`]) {
      expect(await service.get(path)).toEqual(refusal("malformed-request", `userId ${blankAround}`, path))
    }
  })

  it.each(["p1 ", " p1", " ", "p1\u00a0", "p1\u3000"])("the id %j is refused as a purchase", async (id) => {
    expect(await service.post(purchaseText({ purchaseId: id }))).toEqual(refused(`purchaseId ${blankAround}`))
    const path = `/users/ann/purchases/${encodeURIComponent(id)}`
    expect(await service.get(path)).toEqual(refusal("malformed-request", `purchaseId ${blankAround}`, path))
    const line = await service.post(purchaseText({ purchaseId: id }), { "content-type": "application/x-ndjson" })
    expect(line.body).toContain(`"status":422,"detail":"purchaseId ${blankAround}"`)
  })

  it("an id with a blank before or after it is refused in the header", async () => {
    expect(await service.post(purchaseText(), { "idempotency-key": '"p1 "' })).toEqual(
      refused(`purchaseId ${blankAround}`)
    )
  })

  it.each(["%", "%zz", "%ff", "%ED%A0%80", "%C3"])("the text %s is no encoding of an id", async (encoded) => {
    const detail = "The path or query has a malformed percent-encoding."
    expect(await service.get(`/total/${encoded}`)).toEqual(refusal("malformed-request", detail, "/"))
    expect(await service.get(`/users/ann/purchases?cursor=${encoded}`)).toEqual(
      refusal("malformed-request", detail, "/")
    )
  })

  it.each(["*", ">", "a.b", "*.*", "$KV", "=many", "a b", "x".repeat(64)])(
    "the id %s names one user, and is not taken for a pattern",
    async (userId) => {
      for (const buyer of [userId, "bystander"]) {
        const purchaseId = `${accepted.length}`
        accepted.push(purchaseId)
        expect((await service.post(purchaseText({ userId: buyer, purchaseId }))).status).toBe(202)
      }
      const { body } = await service.get(`/users/${encodeURIComponent(userId)}/total`)
      expect(body).toBe(
        `{"userId":"${userId}","total":25.00,"currency":"USD","purchaseCount":1,"reversalCount":0,"known":true}`
      )
    }
  )

  it("an id names the same user, whether its é is composed or decomposed", async () => {
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

describe("a purchase whose product is called", () => {
  it.each([
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3 Lanka tea",
    "\u{1f468}\u200d\u{1f469}\u200d\u{1f467} mug",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} scarf"
  ])("a purchase of the product %s is applied, and shown as it was written", async (productName) => {
    const purchaseId = `${accepted.length}`
    accepted.push(purchaseId)
    const posted = await service.post(purchaseText({ userId: "namer", purchaseId, productName }), { prefer: "wait=20" })
    expect(posted.status).toBe(201)
    const receipt = await service.get(`/users/namer/purchases/${purchaseId}`)
    expect(JSON.parse(receipt.body)).toMatchObject({ productName })
  })
})
