import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Browser, Request } from "playwright-core"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { inputMessages, purchaseText, useService } from "../support/TestService.ts"

/** A site of somebody else: each path of the site is a page with the HTML that the path names. */
const startSite = async () => {
  const server = createServer(({ url = "" }, outgoing) =>
    outgoing.writeHead(200, { "content-type": "text/html" }).end(decodeURIComponent(url.slice(1)))
  )
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

interface Asked {
  readonly url: string
  readonly site: string | null
  readonly purpose: string | null
  readonly status: number
}

describe("a page of somebody else in a browser", needs(browserNeeded), () => {
  const service = useService()
  let asked: Array<Asked> = []
  let server: TestServer
  let site: Awaited<ReturnType<typeof startSite>>
  let browser: Browser
  beforeAll(async () => {
    const { app } = service.edge
    const answer = app.fetch
    app.fetch = async (request, ...rest) => {
      const response = await answer(request, ...rest)
      const { pathname: url } = new URL(request.url)
      const [fetchSite, purpose] = ["sec-fetch-site", "sec-purpose"].map((name) => request.headers.get(name))
      // Chromium asks for an icon by itself.
      if (url !== "/favicon.ico")
        asked.push({ url, site: fetchSite ?? null, purpose: purpose ?? null, status: response.status })
      return response
    }
    server = await serve(app, {}, "", {})
    site = await startSite()
    // One machine has all names, as after DNS rebinding.
    browser = await launchChromium(["--host-resolver-rules=MAP *.example 127.0.0.1"])
  })
  beforeEach(() => {
    asked = []
  })
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await server?.close()
  })

  const edge = () => `http://127.0.0.1:${server.port}`
  const stored = async (userId: string) =>
    (await inputMessages(service.client)).flatMap(({ purchases }) => purchases).filter((one) => one.userId === userId)

  /** Opens a page with this HTML at a host, and waits until the edge was asked for the path. */
  const attack = async (host: string, html: string, path: string): Promise<ReadonlyArray<Asked>> => {
    const page = await browser.newPage()
    await page.goto(`http://${host}:${site.port}/${encodeURIComponent(html)}`)
    await until(`the edge is asked for ${path}`, () => asked.some(({ url }) => url === path))
    await page.close()
    return asked.filter(({ url }) => url === path)
  }

  const attacks: ReadonlyArray<readonly [string, string, (url: string) => string]> = [
    ["an image", "/generate/11/image", (url) => `<img src="${url}">`],
    ["a prefetch", "/generate/7/prefetch", (url) => `<link rel="prefetch" href="${url}">`],
    ["a fetch without CORS", "/duplicate/1/fetch", (url) => `<script>fetch("${url}", { mode: "no-cors" })</script>`],
    ["a navigation", "/generate/3/navigation", (url) => `<script>location = "${url}"</script>`],
    ["a frame", "/idempotent-test/frame/Desk/1/1", (url) => `<iframe src="${url}"></iframe>`]
  ]

  it.each(attacks)("a page of another site stores nothing by %s", async (_name, path, html) => {
    for (const [host, fetchSite] of [
      ["evil.example", "cross-site"],
      ["127.0.0.1", "same-site"]
    ] as const) {
      asked = []
      const answers = await attack(host, html(edge() + path), path)
      for (const answer of answers) expect(answer).toMatchObject({ site: fetchSite, status: 403 })
    }
    for (const user of ["image", "prefetch", "fetch", "navigation", "frame"]) expect(await stored(user)).toEqual([])
  })

  it.each([
    ["a fetch", (url: string) => `<script>fetch("${url}", { method: "POST", mode: "no-cors" })</script>`],
    [
      "a form",
      (url: string) => `<form method="post" action="${url}"></form><script>document.forms[0].submit()</script>`
    ]
  ])("a POST of %s from a page of another site does not reach a route", async (_name, html) => {
    const page = await browser.newPage()
    const isAttack = (request: Request) => request.url().includes("/generate/5/")
    // Chromium fails a fetch whose answer is not for its page.
    const over = Promise.race([
      page.waitForEvent("requestfailed", isAttack),
      page.waitForEvent("requestfinished", isAttack)
    ])
    await page.goto(`http://evil.example:${site.port}/${encodeURIComponent(html(`${edge()}/generate/5/posted`))}`)
    await over
    await page.close()
    expect({ asked, stored: await stored("posted") }).toEqual({ asked: [], stored: [] })
  })

  it("a page whose host name resolves to this machine (DNS rebinding) reads and stores nothing", async () => {
    await service.post(purchaseText({ userId: "ann", purchaseId: "secret" }), { prefer: "wait=10" })
    asked = []
    // The page came from elsewhere before its name was changed, without the policy of the edge's answers.
    const page = await browser.newPage({ bypassCSP: true })
    const answer = await page.goto(`http://rebind.example:${server.port}/users/ann/total`)
    expect(answer?.status()).toBe(421)
    expect(await page.content()).not.toContain("25.00")
    const statuses = await page.evaluate(
      async (body) => {
        const post = await fetch("/purchases", {
          method: "POST",
          body,
          headers: { "content-type": "application/json" }
        })
        return [post.status, (await fetch("/users/ann/total")).status]
      },
      purchaseText({ userId: "rebound" })
    )
    await page.close()
    expect(statuses).toEqual([421, 421])
    expect({ asked, stored: await stored("rebound") }).toEqual({ asked: [], stored: [] })
  })

  it.each(["/", "/docs", "/metrics"])("a page of another site cannot show %s in a frame", async (path) => {
    const page = await browser.newPage()
    const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors 'none'"))
    const html = `<iframe src="${edge()}${path}"></iframe>`
    await page.goto(`http://evil.example:${site.port}/${encodeURIComponent(html)}`)
    await refused
    await page.close()
  })

  it.each(["/", "/docs", "/openapi.json"])("%s works in a browser under its headers", async (path) => {
    const page = await browser.newPage()
    const complaints: Array<string> = []
    page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())))
    page.on("pageerror", (failure) => void complaints.push(String(failure)))
    expect((await page.goto(edge() + path, { waitUntil: "load" }))?.status()).toBe(200)
    if (path === "/") await page.locator("#connection[data-state=live]").waitFor()
    if (path === "/docs") {
      const width = "getComputedStyle(document.body).maxWidth"
      expect(await page.evaluate(width)).toBe("960px")
    }
    expect(complaints.filter((text) => !text.includes("favicon"))).toEqual([])
    await page.close()
  })

  it("a person who opens the address of a storing route in a browser is served", async () => {
    const page = await browser.newPage()
    expect((await page.goto(`${edge()}/generate/2/typed`))?.status()).toBe(200)
    await page.close()
    expect(asked).toContainEqual({ url: "/generate/2/typed", site: "none", purpose: null, status: 200 })
    expect(await stored("typed")).toHaveLength(2)
  })
})
