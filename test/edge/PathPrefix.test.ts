import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { makeApp } from "../../src/edge/server/App.ts"
import { Effect } from "effect"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { type PrefixProxy, startPrefixProxy } from "../support/PrefixProxy.ts"
import { projectRoot, until } from "../../src/harness/system/TestBroker.ts"
import { open, rest, serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

const prefix = "/ledger"
const service = useService({ environment: { PATH_PREFIX: prefix } })
let server: TestServer
let proxy: PrefixProxy
/** An edge that does not know the prefix. */
let untold: { readonly server: TestServer; readonly proxy: PrefixProxy }

beforeAll(async () => {
  server = await serve(service.edge.app, {}, prefix)
  proxy = await startPrefixProxy(server.port, prefix)
  const app = makeApp({ runPromiseExit: Effect.runPromiseExitWith(service.edge.services), isDraining: () => false })
  const other = await serve(app)
  untold = { server: other, proxy: await startPrefixProxy(other.port, prefix) }
  for (let number = 1; number <= 5; number += 1) {
    await service.post(purchaseText({ userId: "ann", purchaseId: `p${number}` }), { prefer: "wait=10" })
  }
  await service.reject("{")
  await service.reject(inputMessage([sold("ann", "wrong", { valueCents: -5 })]))
})
afterAll(async () => {
  for (const one of [proxy, untold.proxy]) await one.close()
  for (const one of [server, untold.server]) await one.close()
})

const ask = (path: string, init: RequestInit = {}) => fetch(proxy.url + path, init)
const post = (path: string, text: string, headers: Record<string, string> = {}) =>
  ask(path, { method: "POST", body: text, headers: { "content-type": "application/json", ...headers } })
/** Resolves a reference of an answer as RFC 3986 says, and reads it. */
const follow = (reference: unknown, from: Response) => fetch(new URL(String(reference), from.url))
const linkIn = (response: Response) => /^<([^>]*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1]

describe("an edge behind a proxy's prefix", () => {
  it.each([{}, { prefer: "wait=10" }])(
    "Location leads to the receipt behind a proxy's prefix (%j)",
    async (headers) => {
      await post("/purchases", purchaseText({ userId: "bob", purchaseId: "b1" }), { prefer: "wait=10" })
      const posted = await post("/purchases", purchaseText({ userId: "bob", purchaseId: "b1" }), headers)
      expect(posted.headers.get("location")).toBe("/ledger/users/bob/purchases/b1")
      const receipt = await follow(posted.headers.get("location"), posted)
      expect({
        status: receipt.status,
        purchaseId: ((await receipt.json()) as { purchaseId: string }).purchaseId
      }).toEqual({ status: 200, purchaseId: "b1" })
    }
  )

  it("behind a proxy's prefix, the Location of a conflict leads to the first purchase under the id", async () => {
    const conflict = await post("/purchases", purchaseText({ userId: "ann", purchaseId: "p1", quantity: 9 }), {
      prefer: "wait=10"
    })
    expect({ status: conflict.status, location: conflict.headers.get("location") }).toEqual({
      status: 422,
      location: "/ledger/users/ann/purchases/p1"
    })
  })

  it.each([
    "/users/ann/purchases?limit=2",
    "/rejected?limit=1",
    "/users/ann/spending?by=hour&from=2020-01-01T00:00:00Z"
  ])("next and Link of %s lead to the next page behind a proxy's prefix", async (path) => {
    const page = await ask(path)
    const { next } = (await page.json()) as { next: string }
    expect(next).toMatch(/^\/ledger\//)
    expect(linkIn(page)).toBe(next)
    const after = await follow(next, page)
    expect(after.status).toBe(200)
  })

  it("behind a prefix, the Location and the trail of a replay lead to the receipt of its purchase", async () => {
    const page = (await (await ask("/rejected?limit=1")).json()) as { rejected: [{ inputSequence: number }] }
    const [{ inputSequence }] = page.rejected
    const path = `/rejected/${inputSequence}/0/replay`
    const body = purchaseText({ userId: "gus", purchaseId: "g1" })
    let replayed = await post(path, body)
    await until("it is applied", async () => {
      replayed = await post(path, body)
      return replayed.status === 200
    })
    const { trail } = (await replayed.json()) as { trail: ReadonlyArray<{ receipt: string }> }
    expect(replayed.headers.get("location")).toBe("/ledger/users/gus/purchases/g1")
    expect(new Set(trail.map(({ receipt }) => receipt))).toEqual(new Set(["/ledger/users/gus/purchases/g1"]))
  })

  it.each([
    ["/nothing", 404],
    ["/users/ann/purchases/none", 404],
    ["/users/ann/purchases?limit=0", 400],
    ["/purchases", 405]
  ])("a problem of %s names the path that was asked for, with the prefix", async (path, status) => {
    const answer = await ask(path)
    const { instance } = (await answer.json()) as { instance: string }
    expect({ status: answer.status, instance }).toEqual({ status, instance: new URL(answer.url).pathname })
  })

  it("a problem of an unreadable path or request names the root of the service behind the prefix", async () => {
    const { instance } = (await (await ask("/%zz")).json()) as { instance: string }
    expect(instance).toBe("/ledger/")
    const socket = await open(server.port)
    socket.write("NONSENSE\r\n\r\n")
    expect(await rest(socket)).toContain('"instance":"/ledger/"')
  })

  it("the OpenAPI document names the prefix as its server, and its page leads to the document", async () => {
    const document = (await (await ask("/openapi.json")).json()) as { servers: unknown }
    expect(document.servers).toEqual([{ url: "/ledger" }])
    for (const path of ["/docs", "/docs/"]) {
      const page = await ask(path)
      const text = await page.text()
      const [, href] = /href="([^"#]*openapi\.json)"/.exec(text) ?? []
      expect((await follow(href, page)).headers.get("content-type")).toBe("application/json")
      expect(text).toContain("<p>All paths are below <code>/ledger</code> here.</p>")
    }
  })

  it("the dashboard's page loads its files from below the prefix", async () => {
    const page = await ask("/", { headers: { accept: "text/html" } })
    const references = [...(await page.text()).matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, reference]) => reference)
    expect(references.length).toBeGreaterThan(5)
    for (const reference of references) {
      expect({ reference, status: (await follow(reference, page)).status }).toEqual({ reference, status: 200 })
    }
  })
})

describe.each(["an edge that knows its prefix", "an edge that does not"])("behind a prefix, with %s", (which) => {
  const url = () => (which === "an edge that does not" ? untold.proxy : proxy).url

  it(`the client of ${which} follows next to the end of a history and of rejected records`, async () => {
    const client = new PurchaseClient({ url: url() })
    const ids = []
    for await (const { purchaseId } of client.history("ann", { pagePurchases: 2 })) ids.push(purchaseId)
    expect(ids).toEqual(["p5", "p4", "p3", "p2", "p1"])
    const first = await client.rejectedPage({ limit: 1 })
    const second = await client.rejectedPage({ next: first.next })
    expect(second.rejected).toHaveLength(1)
    expect(second.rejected).not.toEqual(first.rejected)
  })

  it(`the command line at ${which} pages through a history, and follows a feed`, async () => {
    const run = promisify(execFile)
    const userId = which === "an edge that does not" ? "cid" : "dan"
    const purchases = async (...words: ReadonlyArray<string>) =>
      (await run(join(projectRoot, "scripts/purchases"), ["--url", url(), "--json", ...words])).stdout
        .trim()
        .split("\n")
    await (await fetch(`${url()}/generate/150/${userId}`)).text()
    expect(await purchases("history", userId, "--all")).toHaveLength(150)
    const [told = ""] = await purchases("feed", "--user", "ann", "--after", "0", "--count", "1")
    expect(JSON.parse(told)).toMatchObject({ applied: { userId: "ann" } })
  })
})
