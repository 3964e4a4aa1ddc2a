import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { afterEach, describe, expect, it } from "vitest"
import type { httpWaits } from "../../src/edge/server/HttpServer.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { open, rest, serve as serveApp } from "../support/TestServer.ts"
import { inputMessages, purchaseText, useService } from "../support/TestService.ts"

const service = useService({ withoutWorker: true })

const closers: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const serve = async (waits: Partial<typeof httpWaits> = {}) => {
  const server = await serveApp(service.edge.app, { drain: 50, ...waits })
  closers.push(server.close)
  return server.port
}

const begin = (port: number, contentType = "application/x-ndjson") => {
  const headers = { "content-type": contentType }
  const sending = request({ port, host: "127.0.0.1", method: "POST", path: "/purchases", headers })
  sending.on("error", () => undefined)
  const answer = once(sending, "response") as Promise<[IncomingMessage]>
  return { sending, answer }
}
const line = (userId: string, purchaseId: string) => `${purchaseText({ userId, purchaseId })}\n`
const linesOf = (userId: string, count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => line(userId, `p${first + index}`)).join("")
const stored = (number: number, userId: string, purchaseId: string) =>
  `{"line":${number},"status":"stored","userId":"${userId}","purchaseId":"${purchaseId}"}`
const idsOf = async (userId: string) =>
  (await inputMessages(service.client))
    .flatMap(({ purchases }) => purchases)
    .filter((purchase) => purchase.userId === userId)
    .map(({ purchaseId }) => purchaseId)

/** Returns the list of the lines that have come, which grows with later lines. */
const received = (response: IncomingMessage) => {
  let text = ""
  response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
  response.on("error", () => undefined)
  return { lines: () => text.split("\n").slice(0, -1) }
}

describe("a body of lines over a socket", () => {
  it("a line of a body over a socket is answered while the caller still sends the body", async () => {
    const { sending, answer } = begin(await serve())
    sending.write(linesOf("talks", 3))
    const [response] = await answer
    expect({ statusCode: response.statusCode, contentType: response.headers["content-type"] }).toEqual({
      statusCode: 200,
      contentType: "application/x-ndjson"
    })
    const { lines } = received(response)
    await until("three answers", () => lines().length === 3)
    sending.end(line("talks", "p3"))
    await once(response, "end")
    expect(lines()).toEqual([0, 1, 2, 3].map((number) => stored(number + 1, "talks", `p${number}`)))
  })

  it("of a body that breaks off, the answered lines are stored, and a line that did not end is not stored", async () => {
    const port = await serve()
    const { sending, answer } = begin(port)
    const last = line("breaks", "last").slice(0, -1)
    sending.write(linesOf("breaks", 1_000) + last)
    const [response] = await answer
    const { lines } = received(response)
    await until("each line is answered", () => lines().length === 1_000)
    sending.destroy()
    await once(sending, "close")
    expect(lines()).toEqual(Array.from({ length: 1_000 }, (_, index) => stored(index + 1, "breaks", `p${index}`)))
    // The input log has this purchase behind the stored lines of the broken body.
    expect((await service.post(purchaseText({ userId: "later", purchaseId: "p1" }))).status).toBe(202)
    expect(await idsOf("breaks")).toEqual(Array.from({ length: 1_000 }, (_, index) => `p${index}`))
  })

  it("if a body breaks off midway, answered lines are stored once, and lines are stored in order", async () => {
    const port = await serve()
    const { sending, answer } = begin(port)
    for (let piece = 0; piece < 40; piece += 1) sending.write(linesOf("midst", 400, piece * 400))
    const [response] = await answer
    const { lines } = received(response)
    await until("some are answered", () => lines().length > 400)
    sending.destroy()
    await once(sending, "close")
    const answered = lines().map((text) => (JSON.parse(text) as { purchaseId: string }).purchaseId)
    const ids = await idsOf("midst")
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual(expect.arrayContaining(answered))
    expect(ids).toEqual(ids.map((_, index) => `p${index}`))
  })

  it("a body of lines is not read while its caller does not read the answers", async () => {
    const { sending, answer } = begin(await serve())
    const piece = linesOf("slow", 500)
    let sent = 0
    // The body has no end, because the buffers of sockets hold megabytes, as many as the system allows.
    const write = () => {
      sent += 1
      while (sending.write(piece)) sent += 1
      sending.once("drain", write)
    }
    write()
    const [response] = await answer
    response.pause()
    let before = 0
    let looks = 0
    await until("no more is taken", () => {
      looks = sent === before ? looks + 1 : 0
      before = sent
      return looks === 50
    })
    sending.off("drain", write)
    sending.end()
    let count = 0
    for await (const chunk of response) count += String(chunk).split("\n").length - 1
    expect(count).toBe(sent * 500)
  })

  it.each([
    ["long", "application/x-ndjson"],
    ["joined", "application/x-ndjson, application/x-ndjson"]
  ])(
    "a body of %s may take longer than other requests, as long as bytes of the body come",
    async (userId, contentType) => {
      // The time is long enough for slow machines to send the headers of the first request.
      const port = await serve({ headers: 3_000, request: 3_000, check: 10 })
      const { sending, answer } = begin(port, contentType)
      sending.write(line(userId, "p0"))
      const [response] = await answer
      const { lines } = received(response)
      // The request on the other connection came later, and its time is over.
      const other = await open(port)
      other.write(
        "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
      )
      expect((await rest(other)).slice(0, 12)).toBe("HTTP/1.1 408")
      sending.end(line(userId, "p1"))
      await once(response, "end")
      expect(lines()).toEqual([stored(1, userId, "p0"), stored(2, userId, "p1")])
    }
  )

  it("an edge ends the answer to a body of lines if no more bytes of the body come", async () => {
    const socket = await open(await serve({ lines: 1_000 }))
    socket.write(
      "POST /purchases HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: 1000\r\n\r\n{"
    )
    expect(await rest(socket)).toContain("HTTP/1.1 200 OK")
  })
})
