import { Hono } from "hono"
import { describe, expect, it } from "vitest"
import { singleHeader } from "../../../src/edge/contract/HeaderLines.ts"
import { startedBeforeAll } from "../../support/StartedBefore.ts"
import { open, rest, serve } from "../../support/TestServer.ts"
import { inputMessages, purchaseText, useService } from "../../support/TestService.ts"

const service = useService()
const server = startedBeforeAll(() => serve(service.edge.app))

/** Sends a request with these header lines, byte by byte. Returns the status and the body. */
const ask = async (start: string, headerLines: ReadonlyArray<string | Buffer>, body: string | Buffer = "") => {
  const bytes = Buffer.from(body)
  const socket = await open(server.port)
  const lines = [start, "host: x", "connection: close", `content-length: ${bytes.length}`, ...headerLines]
  const end = Buffer.from("\r\n")
  socket.write(Buffer.concat([...lines.flatMap((line) => [Buffer.from(line), end]), end, bytes]))
  const [head = "", answer = ""] = (await rest(socket)).split("\r\n\r\n")
  return { status: Number(head.slice(9, 12)), body: answer }
}

const json = "content-type: application/json"
const post = (userId: string, headerLines: ReadonlyArray<string | Buffer>, members: Record<string, unknown> = {}) =>
  ask("POST /purchases HTTP/1.1", [json, ...headerLines], purchaseText({ userId, ...members }))

const idsOf = async (userId: string) =>
  (await inputMessages(service.client))
    .flatMap(({ purchases }) => purchases)
    .filter((purchase) => purchase.userId === userId)
    .map(({ purchaseId }) => purchaseId)

/** Returns a header line in which each character is one byte. */
const latin1 = (line: string) => Buffer.from(line, "latin1")

let users = 0
const newUser = () => `user${(users += 1)}`

describe("an Idempotency-Key", () => {
  it.each([
    ["is in two equal lines", ["Idempotency-Key: k1", "idempotency-key: k1"], "k1"],
    ["is quoted in one of two lines", ["Idempotency-Key: k1", 'Idempotency-Key: "k1"'], "k1"],
    ["comes with an equal X-Idempotency-Key", ["Idempotency-Key: k1", "X-Idempotency-Key: k1"], "k1"],
    ["comes as X-Idempotency-Key alone", ["X-Idempotency-Key: k1"], "k1"],
    ["was joined by a proxy to one line", ["Idempotency-Key: k1, k1"], "k1"],
    ["was joined by a proxy without a blank", ['Idempotency-Key: "k1","k1"'], "k1"],
    ["has a parameter", ['Idempotency-Key: "k1";p=1'], "k1"],
    ["has parameters of each kind", ['Idempotency-Key: "k1";a; b="x,\\"y";*c.d=:aGk=:;e=?1;f=2.5'], "k1"],
    ["has escapes", [String.raw`Idempotency-Key: "a\"b"`], 'a"b'],
    ["has a comma in quotes", ['Idempotency-Key: "a, b"'], "a, b"],
    ["is bare with a semicolon", ["Idempotency-Key: order;a"], "order;a"],
    ["is UTF-8 beyond ASCII", ["Idempotency-Key: café-1"], "café-1"],
    ["is quoted UTF-8", ['Idempotency-Key: "漢字"'], "漢字"],
    ["is decomposed UTF-8", ["Idempotency-Key: cafe\u0301-1"], "café-1"],
    [
      "is composed in one line and decomposed in another",
      ["Idempotency-Key: café", "Idempotency-Key: cafe\u0301"],
      "café"
    ],
    ["has tabs and spaces around", ["Idempotency-Key: \t k1 \t"], "k1"]
  ])("an Idempotency-Key that %s names one purchase", async (_what, lines, purchaseId) => {
    const userId = newUser()
    expect((await post(userId, lines)).status).toBe(202)
    expect((await post(userId, [], { purchaseId })).status).toBe(202)
    expect(await idsOf(userId)).toEqual([purchaseId])
  })

  it.each([
    [
      "is in two different lines",
      ["Idempotency-Key: k1", "Idempotency-Key: k2"],
      "Idempotency-Key has two values, k1 and k2. Send one; a key with a comma stands in quotes."
    ],
    [
      "differs from X-Idempotency-Key",
      ["Idempotency-Key: k1", "X-Idempotency-Key: k2"],
      "Idempotency-Key has two values, k1 and k2. Send one; a key with a comma stands in quotes."
    ],
    [
      "is two keys in one line",
      ["Idempotency-Key: k1, k2"],
      "Idempotency-Key has two values, k1 and k2. Send one; a key with a comma stands in quotes."
    ],
    [
      "ends with a comma",
      ["Idempotency-Key: k1,"],
      "Idempotency-Key has two values, k1 and an empty one. Send one; a key with a comma stands in quotes."
    ],
    [
      "has no end",
      ['Idempotency-Key: "k1'],
      'Idempotency-Key is "k1, and cannot be read. Write it bare, like k1, or in quotes, like "k1".'
    ],
    [
      "has no end in each of two lines",
      ['Idempotency-Key: "k1', 'Idempotency-Key: k1"'],
      'Idempotency-Key is "k1, and cannot be read. Write it bare, like k1, or in quotes, like "k1".'
    ],
    [
      "is bare and ends with a quote",
      ['Idempotency-Key: k1"'],
      'Idempotency-Key is k1", and cannot be read. Write it bare, like k1, or in quotes, like "k1".'
    ],
    [
      "goes on after its end",
      ['Idempotency-Key: "k1"x'],
      'Idempotency-Key is "k1"x, and cannot be read. Write it bare, like k1, or in quotes, like "k1".'
    ],
    [
      "has an escape that there is not",
      [String.raw`Idempotency-Key: "a\b"`],
      String.raw`Idempotency-Key is "a\b", and cannot be read. Write it bare, like k1, or in quotes, like "k1".`
    ],
    [
      "is Latin-1",
      [latin1("Idempotency-Key: caf\u00e9-1")],
      "The header Idempotency-Key holds bytes that are not UTF-8 text. Send it in UTF-8."
    ],
    [
      "is cut UTF-8",
      [latin1("X-Idempotency-Key: \u00e2\u0082")],
      "The header X-Idempotency-Key holds bytes that are not UTF-8 text. Send it in UTF-8."
    ]
  ])("an Idempotency-Key that %s gets 400, and nothing is stored", async (_what, lines, detail) => {
    const userId = newUser()
    const answer = await post(userId, lines)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ detail })
    expect(await idsOf(userId)).toEqual([])
  })

  it("an Idempotency-Key and the purchaseId of the body are equal if only their Unicode forms differ", async () => {
    const userId = newUser()
    for (const [key, purchaseId] of [
      ["caf\u00e9", "cafe\u0301"],
      ["cafe\u0301", "caf\u00e9"]
    ]) {
      expect((await post(userId, [`Idempotency-Key: ${key}`], { purchaseId })).status).toBe(202)
    }
    expect(await idsOf(userId)).toEqual(["caf\u00e9"])
  })

  it.each(["\u00A0k1", "k1\u3000", "\uFEFFk1", "k1\u2028"])(
    "an Idempotency-Key keeps blanks that HTTP does not know: %j is refused",
    async (key) => {
      const userId = newUser()
      const answer = await post(userId, [`Idempotency-Key: ${key}`])
      expect(answer.status).toBe(422)
      expect(await idsOf(userId)).toEqual([])
    }
  )

  it("an Idempotency-Key is one key even if its lines reach the application joined with a comma", async () => {
    const userId = newUser()
    const headers = new Headers({ "content-type": "application/json" })
    for (const value of ["k1", "k1"]) headers.append("idempotency-key", value)
    const request = { method: "POST", headers, body: purchaseText({ userId }) }
    expect((await service.edge.app.request("/purchases", request)).status).toBe(202)
    headers.append("idempotency-key", "k2")
    expect((await service.edge.app.request("/purchases", request)).status).toBe(400)
    expect(await idsOf(userId)).toEqual(["k1"])
  })
})

describe("a header of one value other than Idempotency-Key", () => {
  it("Content-Type may stand in two equal lines, and not in two different lines", async () => {
    const userId = newUser()
    expect((await post(userId, [json], { purchaseId: "p1" })).status).toBe(202)
    const answer = await post(userId, ["content-type: application/x-ndjson"], { purchaseId: "p2" })
    expect(answer.status).toBe(400)
    expect(answer.body).toContain(
      '"detail":"Content-Type has two values, application/json and application/x-ndjson. Send one."'
    )
    expect(await idsOf(userId)).toEqual(["p1"])
  })

  it("Content-Type is one value even if its lines reach the application joined with a comma", async () => {
    const userId = newUser()
    const post = (type: string) => service.post(purchaseText({ userId, purchaseId: "p1" }), { "content-type": type })
    expect((await post("application/json, application/json")).status).toBe(202)
    expect((await post('application/json; profile="a, b"')).status).toBe(202)
    expect((await post("application/json, text/plain")).status).toBe(400)
    expect(await idsOf(userId)).toEqual(["p1"])
  })

  it("Content-Type of any length and any number of quotes is read in one pass", async () => {
    // The header `hostile` would take hours if it were searched again for each of its quotes.
    const hostile = `a,"${String.raw`\"`.repeat(500_000)}`
    const read = new Hono().get("/", (http) => http.json(singleHeader(http, "Last-Event-ID") ?? ""))
    const answer = await read.request("/", { headers: { "last-event-id": hostile } })
    expect(await answer.json()).toMatchObject({ status: 400 })
  })

  it("Content-Encoding may stand in two equal lines, and not in two different lines", async () => {
    const userId = newUser()
    const identity = "content-encoding: identity"
    expect((await post(userId, [identity, identity], { purchaseId: "p1" })).status).toBe(202)
    const answer = await post(userId, [identity, "content-encoding: gzip"], { purchaseId: "p2" })
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('"detail":"Content-Encoding has two values, identity and gzip. Send one."')
    expect(await idsOf(userId)).toEqual(["p1"])
  })

  it("Last-Event-ID may stand in two equal lines, and not in two different lines", async () => {
    const path = "HEAD /feed HTTP/1.1"
    expect((await ask(path, ["last-event-id: 0", "last-event-id: 0"])).status).toBe(200)
    expect((await ask(path, ["last-event-id: 0", "last-event-id: 1"])).status).toBe(400)
    expect((await ask(path, [latin1("last-event-id: \u00e9")])).status).toBe(400)
  })

  it("a header with a list of values may go on in a second line", async () => {
    const answer = await post(newUser(), ["prefer: respond-async", "prefer: wait=20"], { purchaseId: "p1" })
    expect(answer.status).toBe(201)
  })
})
