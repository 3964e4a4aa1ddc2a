import { afterEach, describe, expect, it, vi } from "vitest"
import { UnsupportedRuntime } from "../../src/client/Failure.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"

afterEach(() => {
  vi.unstubAllGlobals()
})

const lamp = { userId: "ann", productName: "Lamp", productType: "Office", value: "12.50", quantity: 1 }

/** Returns a client whose service answers every request, and the number of requests that reached that service. */
const countingClient = () => {
  let requests = 0
  const answer = () => {
    requests += 1
    return Response.json({})
  }
  return { client: new PurchaseClient({ url: "http://ledger", fetch: answer }), requests: () => requests }
}

describe("a runtime that lacks something", () => {
  it("a post fails before anything is sent if the runtime lacks a feature that it needs", async () => {
    const { client, requests } = countingClient()
    for (const missing of ["Request", "AbortController", "AbortSignal"]) {
      vi.stubGlobal(missing, undefined)
      await expect(client.post({ ...lamp, purchaseId: "p1" })).rejects.toThrow(UnsupportedRuntime)
      vi.unstubAllGlobals()
    }
    expect(requests()).toBe(0)
  })

  it("a post without an id fails before anything is sent if the runtime cannot make ids", async () => {
    const { client, requests } = countingClient()
    vi.stubGlobal("crypto", {})
    await expect(client.post(lamp)).rejects.toThrow("This runtime lacks crypto.randomUUID.")
    expect(requests()).toBe(0)
    await client.post({ ...lamp, purchaseId: "p1" })
    expect(requests()).toBe(1)
  })

  it("purchases without ids fail before anything is sent if the runtime cannot make ids", async () => {
    const { client, requests } = countingClient()
    vi.stubGlobal("crypto", {})
    await expect(client.postAll([lamp]).next()).rejects.toThrow("This runtime lacks crypto.randomUUID.")
    expect(requests()).toBe(0)
  })

  it("many purchases fail if the runtime lacks a class that requests need", async () => {
    const { client, requests } = countingClient()
    for (const missing of ["Request", "ReadableStream", "AbortController"]) {
      vi.stubGlobal(missing, undefined)
      await expect(client.postAll([lamp]).next()).rejects.toThrow(UnsupportedRuntime)
      vi.unstubAllGlobals()
    }
    expect(requests()).toBe(0)
  })

  it("a runtime without streams can post one purchase", async () => {
    const answer = Response.json({ status: "stored" })
    const client = new PurchaseClient({ url: "http://ledger", fetch: () => answer })
    vi.stubGlobal("ReadableStream", undefined)
    vi.stubGlobal("Request", EventTarget)
    expect(await client.post({ ...lamp, purchaseId: "p1" })).toEqual({ status: "stored" })
  })

  it("a call fails if the runtime lacks fetch and the client was given no other fetch", async () => {
    vi.stubGlobal("fetch", undefined)
    await expect(new PurchaseClient({ url: "http://ledger" }).total("ann")).rejects.toThrow("lacks fetch")
  })

  it("feeds and many purchases fail if the runtime cannot read an answer in lines", async () => {
    const { client, requests } = countingClient()
    vi.stubGlobal("TextDecoderStream", undefined)
    await expect(client.feed().next()).rejects.toThrow("lacks TextDecoderStream")
    await expect(client.postAll([lamp]).next()).rejects.toThrow("lacks TextDecoderStream")
    expect(requests()).toBe(0)
  })

  it("many purchases fail if the runtime sends a stream as its name in text, and not its content", async () => {
    const { client, requests } = countingClient()
    const Whole = Request
    vi.stubGlobal(
      "Request",
      class extends Whole {
        constructor(url: string, { method = "GET", body = null }: RequestInit = {}) {
          super(url, { method, body: body === null ? null : String(body) })
        }
      }
    )
    await expect(client.postAll([lamp]).next()).rejects.toThrow("lacks requests with a stream as their body")
    expect(requests()).toBe(0)
  })

  it("many purchases fail if the runtime takes a stream and does not read `duplex`, except on Bun", async () => {
    const { client, requests } = countingClient()
    const Whole = Request
    vi.stubGlobal(
      "Request",
      class extends Whole {
        constructor(url: string, { method = "GET", body = null }: RequestInit = {}) {
          super(url, { method, body, duplex: "half" } as RequestInit)
        }
      }
    )
    await expect(client.postAll([lamp]).next()).rejects.toThrow("lacks requests with a stream as their body")
    expect(requests()).toBe(0)
    vi.stubGlobal("Bun", {})
    const answer = async (request: Request) => {
      await request.text()
      return new Response('{"line":1,"status":"stored"}\n')
    }
    const onBun = new PurchaseClient({ url: "http://ledger", fetch: answer })
    expect(await onBun.postAll([lamp]).next()).toMatchObject({ value: { outcome: { status: "stored" } } })
  })
})
