import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { FeedReader } from "../support/FeedReader.ts"
import { nginxNeeded, startNginx } from "../support/Nginx.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { open, rest, serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("an edge behind the documented nginx", needs(nginxNeeded), () => {
  const service = useService({ environment: { PATH_PREFIX: "/ledger" } })
  let server: TestServer
  let proxy: Awaited<ReturnType<typeof startNginx>>
  beforeAll(async () => {
    server = await serve(service.edge.app)
    proxy = await startNginx(server.port)
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.close()
  })

  it("an edge behind nginx answers each line while the body goes on", async () => {
    const headers = { "content-type": "application/x-ndjson" }
    const sending = request({
      port: proxy.port,
      host: "127.0.0.1",
      method: "POST",
      path: "/ledger/purchases",
      headers
    })
    const line = (purchaseId: string) => `${purchaseText({ userId: "talks", purchaseId })}\n`
    let text = ""
    sending.write(line("p1"))
    const [response] = (await once(sending, "response")) as [IncomingMessage]
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
    const ended = once(response, "end")
    for (let number = 1; number <= 3; number += 1) {
      await until(`line ${number} is answered`, () => text.split("\n").length === number + 1)
      if (number < 3) sending.write(line(`p${number + 1}`))
    }
    sending.end()
    await ended
    expect(
      text
        .trim()
        .split("\n")
        .map((one) => (JSON.parse(one) as { status: string }).status)
    ).toEqual(["stored", "stored", "stored"])
  })

  it("an edge behind nginx passes events on as they happen, and feeds go on after their last id", async () => {
    const reader = await FeedReader.open(proxy.port, "/ledger/users/fay/feed")
    await service.post(purchaseText({ userId: "fay", purchaseId: "p1" }), { prefer: "wait=10" })
    await until("it is told", () => reader.purchaseIds.length === 1)
    reader.close()
    await service.post(purchaseText({ userId: "fay", purchaseId: "p2" }), { prefer: "wait=10" })
    const again = await FeedReader.open(proxy.port, `/ledger/users/fay/feed?lastEventId=${reader.lastEventId}`)
    await until("the rest is told", () => again.purchaseIds.length === 1)
    expect(again.purchaseIds).toEqual(["p2"])
    again.close()
  })

  it("an edge behind nginx leaves ids as they were written, and Location leads to the receipt", async () => {
    const response = await fetch(`${proxy.url}/purchases`, {
      method: "POST",
      headers: { "content-type": "application/json", prefer: "wait=10" },
      body: purchaseText({ userId: "ann@x.org?# é", purchaseId: "%20&>*" })
    })
    const location = response.headers.get("location")
    expect(location).toBe("/ledger/users/ann%40x.org%3F%23%20%C3%A9/purchases/%2520%26%3E*")
    const receipt = await fetch(new URL(location ?? "", response.url))
    expect({
      status: receipt.status,
      purchaseId: ((await receipt.json()) as { purchaseId: string }).purchaseId
    }).toEqual({ status: 200, purchaseId: "%20&>*" })
    const wrong = await fetch(`${proxy.url}/total/a%2Fb`)
    expect({ status: wrong.status, instance: ((await wrong.json()) as { instance: string }).instance }).toEqual({
      status: 422,
      instance: "/ledger/total/a%2Fb"
    })
  })

  it("an edge behind nginx lets the typed client read a history to its end", async () => {
    const client = new PurchaseClient({ url: proxy.url })
    await client.generate(150, "bob")
    const ids = new Set()
    for await (const { purchaseId } of client.history("bob", { pagePurchases: 40 })) ids.add(purchaseId)
    expect(ids.size).toBe(150)
  })

  it("an edge behind nginx leads from the prefix without a slash to the dashboard", async () => {
    const page = await fetch(proxy.url, { headers: { accept: "text/html" } })
    expect(page.url).toBe(`${proxy.url}/`)
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8")
  })

  it("an edge behind nginx answers a health check in HTTP/1.0 without a Host", async () => {
    const socket = await open(proxy.port)
    socket.write("GET /ledger/livez HTTP/1.0\r\n\r\n")
    expect((await rest(socket)).slice(0, 12)).toBe("HTTP/1.1 200")
  })

  it("an edge behind nginx answers 404 to every path outside of the prefix", async () => {
    for (const path of ["/total/bob", "/x/../total/bob", "/ledger/../total/bob"]) {
      const socket = await open(proxy.port)
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
      expect({ path, statusLine: (await rest(socket)).slice(0, 12) }).toEqual({ path, statusLine: "HTTP/1.1 404" })
    }
  })
})
