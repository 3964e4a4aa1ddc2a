import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { appOn, inputMessages, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()

type Body = Exclude<RequestInit["body"], undefined>
const linesType = { "content-type": "application/x-ndjson" }
const wait = { prefer: "wait=20" }

const send = (body: Body, headers: Record<string, string> = {}, app = service.edge.app) =>
  seen(app.request("/purchases", { method: "POST", body, headers: { ...linesType, ...headers } }))
/** The lines of a whole answer. */
const answersTo = async (body: Body, headers: Record<string, string> = {}): Promise<ReadonlyArray<string>> => {
  const answer = await send(body, headers)
  expect(answer.status).toBe(200)
  expect(answer.headers).toMatchObject({ "content-type": "application/x-ndjson", "cache-control": "no-store" })
  return answer.body === "" ? [] : answer.body.replace(/\n$/, "").split("\n")
}
const line = (userId: string, purchaseId: string, more: Record<string, unknown> = {}) =>
  `${purchaseText({ userId, purchaseId, ...more })}\n`
const stored = (number: number, userId: string, purchaseId: string, more = "") =>
  `{"line":${number},"status":"stored","userId":"${userId}","purchaseId":"${purchaseId}"${more}}`
const applied = (number: number, userId: string, purchaseId: string, total: string, more = "") =>
  `{"line":${number},"status":"applied","userId":"${userId}","purchaseId":"${purchaseId}"${more},"runningTotal":${total}}`
const problemText = (kind: string, title: string, status: number, detail: string) =>
  `{"type":"urn:purchase-ledger:problem:${kind}","title":"${title}","status":${status},"detail":"${detail}"}`
const refused = (number: number, problem: string) => `{"line":${number},"status":"refused","problem":${problem}}`
const ended = (number: number, problem: string) => `{"line":${number},"status":"ended","problem":${problem}}`
const malformed = (detail: string) => problemText("malformed-request", "The request is malformed", 400, detail)
const tooLarge = (detail: string) => problemText("body-too-large", "The body is too large", 413, detail)

const idsOf = async (userId: string) =>
  (await inputMessages(service.client))
    .flatMap(({ purchases }) => purchases)
    .filter((purchase) => purchase.userId === userId)
    .map(({ purchaseId }) => purchaseId)

describe("POST /purchases with lines", () => {
  it("each line gets an answer in the order of the body, and the answer to a wrong line says why", async () => {
    const body = [
      line("mixed", "p1"),
      "\n",
      line("mixed", "p2", { value: 1.005 }),
      "{}\n",
      line("other", "p1", { productName: 'a "b" \\' }),
      line("mixed", "p3")
    ].join("")
    expect(await answersTo(body)).toEqual([
      stored(1, "mixed", "p1"),
      refused(
        3,
        problemText(
          "refused-by-rules",
          "The rules refuse this value",
          422,
          "value 1.005 has more than two decimal places."
        )
      ),
      refused(4, malformed("The field userId is missing.")),
      stored(5, "other", "p1"),
      stored(6, "mixed", "p3")
    ])
    expect(await idsOf("mixed")).toEqual(["p1", "p3"])
    const [other] = (await inputMessages(service.client))
      .flatMap(({ purchases }) => purchases)
      .filter(({ userId }) => userId === "other")
    expect(other).toEqual({
      purchaseId: "p1",
      userId: "other",
      productName: 'a "b" \\',
      productType: "Office",
      valueCents: 1_250,
      quantity: 2
    })
  })

  it("a body without lines gets an empty answer", async () => {
    expect(await answersTo("")).toEqual([])
    expect(await answersTo("\r\n \n")).toEqual([])
  })

  it("a body with Prefer: wait gets applied, repeat or conflict for each line", async () => {
    const body = line("waits", "p1") + line("waits", "p2") + line("waits", "p1") + line("waits", "p1", { value: 1 })
    const conflict = `The purchaseId p1 of user waits was used before for 2 × Lamp at 12.50. Nothing was applied; use a new id for a new purchase.`
    const answer = await send(body, wait)
    expect(answer.headers["preference-applied"]).toBe("wait=20")
    expect(answer.body.split("\n")).toEqual([
      applied(1, "waits", "p1", "25.00"),
      applied(2, "waits", "p2", "50.00"),
      applied(3, "waits", "p1", "25.00", ',"repeat":true'),
      refused(4, problemText("conflicting-purchase", "This id was used for another purchase", 422, conflict)),
      ""
    ])
    expect((await service.get("/users/waits/total")).body).toBe(
      '{"userId":"waits","total":50.00,"currency":"USD","purchaseCount":2,"reversalCount":0,"known":true}'
    )
  })

  it("lines that are sent again without Prefer: wait are answered as repeats, and count once", async () => {
    const body = line("again", "p1") + line("again", "p2")
    expect(await answersTo(body)).toEqual([stored(1, "again", "p1"), stored(2, "again", "p2")])
    const repeat = ',"repeat":true'
    expect(await answersTo(body)).toEqual([stored(1, "again", "p1", repeat), stored(2, "again", "p2", repeat)])
    expect((await service.get("/users/again/total")).body).toContain('"purchaseCount":2')
  })

  it("thousands of lines are stored, and the lines of each user in the order of the body", async () => {
    const users = ["many-a", "many-b", "many-c"]
    const all = Array.from({ length: 6_000 }, (_, index) => ({
      userId: users[(index * index) % 3] ?? "",
      purchaseId: `p${index}`
    }))
    const answers = await answersTo(all.map(({ userId, purchaseId }) => line(userId, purchaseId)).join(""))
    expect(answers).toEqual(all.map(({ userId, purchaseId }, index) => stored(index + 1, userId, purchaseId)))
    for (const user of users) {
      expect(await idsOf(user)).toEqual(all.filter(({ userId }) => userId === user).map(({ purchaseId }) => purchaseId))
    }
  })

  it("a line is answered before the next line comes", async () => {
    const sent = new TransformStream<Uint8Array, Uint8Array>()
    const writer = sent.writable.getWriter()
    const write = (text: string) => writer.write(new TextEncoder().encode(text))
    const request = new Request("http://localhost/purchases", {
      method: "POST",
      body: sent.readable,
      duplex: "half",
      headers: linesType
    })
    const answer = await service.edge.app.request(request)
    const reader = (answer.body ?? new ReadableStream<Uint8Array>()).getReader()
    const next = async () => new TextDecoder().decode((await reader.read()).value)
    for (const number of [1, 2, 3]) {
      void write(line("talks", `p${number}`))
      expect(await next()).toBe(`${stored(number, "talks", `p${number}`)}\n`)
    }
    await writer.close()
    expect((await reader.read()).done).toBe(true)
  })

  it("lines with an Idempotency-Key are refused, because a key belongs to one purchase", async () => {
    expect(await send(line("keyed", "p1"), { "idempotency-key": "k" })).toEqual(
      refusal(
        "malformed-request",
        "An Idempotency-Key is for one purchase. Give each line its own purchaseId, and leave the key out.",
        "/purchases"
      )
    )
  })

  it.each(["application/json", "text/html"])("lines get 406 for a caller who takes only %s", async (accept) => {
    expect(await send(line("accepts", "p1"), { accept })).toEqual(
      refusal("not-acceptable", "Answers are application/x-ndjson.", "/purchases")
    )
    expect(await idsOf("accepts")).toEqual([])
  })

  it.each(["application/x-ndjson", "*/*"])("lines are answered to a caller who takes %s", async (accept) => {
    expect(await answersTo("{}", { accept })).toEqual([refused(1, malformed("The field userId is missing."))])
  })
})

describe("a body that is packed with gzip", () => {
  const gzip = { "content-encoding": "gzip" }

  it("a packed body of lines is unpacked", async () => {
    expect(await answersTo(gzipSync(line("packed", "p1") + line("packed", "p2")), gzip)).toEqual([
      stored(1, "packed", "p1"),
      stored(2, "packed", "p2")
    ])
    expect((await service.post(gzipSync(purchaseText({ userId: "packed", purchaseId: "p3" })), gzip)).status).toBe(202)
    expect(await idsOf("packed")).toEqual(["p1", "p2", "p3"])
  })

  it("a body in another encoding than gzip is refused with a message that names the encoding", async () => {
    const expected = refusal(
      "unsupported-media-type",
      "The content encoding br is not supported. Send gzip, or leave out Content-Encoding.",
      "/purchases",
      {
        "accept-encoding": "gzip"
      }
    )
    expect(await send(line("br", "p1"), { "content-encoding": "br" })).toEqual(expected)
    expect(await service.post(purchaseText(), { "content-encoding": "br" })).toEqual(expected)
  })

  it("a packed body is refused if it is no gzip", async () => {
    const detail = "The body could not be unpacked as gzip."
    expect(await answersTo("no gzip", gzip)).toEqual([
      ended(0, malformed(`${detail} No line was answered; nothing after that was stored.`))
    ])
    expect(await service.post("no gzip", gzip)).toEqual(refusal("malformed-request", detail, "/purchases"))
  })

  it("of a packed body that is cut off, exactly the answered lines are stored", async () => {
    const lines = Array.from({ length: 4_000 }, (_, index) => line("cut", `p${index}-${Math.random()}`)).join("")
    const packed = gzipSync(lines)
    const answers = await answersTo(packed.subarray(0, packed.length >> 1), gzip)
    const count = answers.length - 1
    expect(count).toBeGreaterThan(0)
    expect(answers.at(-1)).toBe(
      ended(
        count,
        malformed(
          `The body could not be unpacked as gzip. Lines up to ${count} are answered above; nothing after that was stored.`
        )
      )
    )
    expect(await idsOf("cut")).toHaveLength(count)
  })

  it("a packed body that unpacks to far more than its size is refused before all of it is unpacked", async () => {
    const packed = gzipSync("\n".repeat(64 * 1024 * 1024))
    const detail = "The body unpacks to more than 100 times its size."
    expect(await answersTo(packed, gzip)).toEqual([
      ended(0, tooLarge(`${detail} No line was answered; nothing after that was stored.`))
    ])
    expect(await service.post(gzipSync(purchaseText().padEnd(16_385, " ")), gzip)).toEqual(
      refusal("body-too-large", "A purchase has at most 16384 bytes.", "/purchases")
    )
    expect(
      (await service.post(gzipSync(purchaseText({ userId: "packed", purchaseId: "p4" }).padEnd(16_384, " ")), gzip))
        .status
    ).toBe(202)
  })
})

describe("an edge that stops", () => {
  it("an edge that stops takes no body of lines", async () => {
    expect(await send(line("stops", "p1"), {}, appOn(service.edge.services, true))).toEqual(
      refusal("unavailable", "This edge is stopping.", "/purchases", { "retry-after": "1", connection: "close" })
    )
    expect(await idsOf("stops")).toEqual([])
  })

  it("an edge that stops ends an unfinished body of lines, and names the last line that it answered", async () => {
    let isDraining = false
    const app = appOn(service.edge.services, () => isDraining)
    const sent = new TransformStream<Uint8Array, Uint8Array>()
    const writer = sent.writable.getWriter()
    const request = new Request("http://localhost/purchases", {
      method: "POST",
      body: sent.readable,
      duplex: "half",
      headers: linesType
    })
    const answering = Promise.resolve(app.request(request)).then(seen)
    await writer.write(new TextEncoder().encode(line("goes-on", "p1") + line("goes-on", "p2")))
    await until("they are stored", async () => (await idsOf("goes-on")).length === 2)
    isDraining = true
    const detail = "This edge is stopping. Lines up to 2 are answered above; nothing after that was stored."
    expect((await answering).body.split("\n")).toEqual([
      stored(1, "goes-on", "p1"),
      stored(2, "goes-on", "p2"),
      ended(2, problemText("unavailable", "The service is not available now", 503, detail)),
      ""
    ])
  })
})

describe("a caller who does not take the answers", () => {
  it("a body is not read further until its caller takes the answers, and no answer is lost", async () => {
    const pieceAt = (piece: number) =>
      new TextEncoder().encode(Array.from({ length: 400 }, (_, index) => line("slow", `p${piece}-${index}`)).join(""))
    const piecesMax = 200
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1
        controller.enqueue(pieceAt(sent))
        if (sent === piecesMax) controller.close()
      }
    })
    const request = new Request("http://localhost/purchases", {
      method: "POST",
      body,
      duplex: "half",
      headers: linesType
    })
    const answer = await service.edge.app.request(request)
    let before = 0
    let looks = 0
    await until("no more is read", () => {
      looks = sent === before && sent > 0 ? looks + 1 : 0
      before = sent
      return looks === 50
    })
    expect(sent).toBeLessThan(50)
    const answers = (await answer.text()).trimEnd().split("\n")
    expect(answers).toHaveLength(piecesMax * 400)
    expect(answers.at(-1)).toBe(stored(piecesMax * 400, "slow", `p${piecesMax}-399`))
  })
})
