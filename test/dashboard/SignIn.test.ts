import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, expect, it, describe } from "vitest"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startService, type TestService } from "../support/TestService.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { bearer, TestTokens } from "../support/TestTokens.ts"

describe("the dashboard of an edge that asks for tokens", needs(browserNeeded), () => {
  let service: TestService
  let server: TestServer
  let tokens: TestTokens
  let browser: Browser
  let page: Page
  let token: string
  beforeAll(async () => {
    service = await startService({ environment: { AUTH: "tokens" } })
    server = await serve(service.edge.app)
    tokens = new TestTokens(service.broker.url)
    token = await tokens.create()
    await until("the edge knows the token", async () => (await service.get("/status", bearer(token))).status === 200)
    browser = await launchChromium()
    page = await browser.newPage()
    page.setDefaultTimeout(15_000)
  })
  afterAll(async () => {
    await browser?.close()
    await tokens?.stop()
    await server?.close()
    await service?.stop()
  })

  const signInWith = async (text: string): Promise<void> => {
    await page.locator("#sign-in-token").fill(text)
    await page.locator("#sign-in-form button").click()
  }

  it("the dashboard asks for a token, refuses a wrong token, and shows the system with a right token", async () => {
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.locator("#sign-in[open]").waitFor()
    await signInWith("password")
    await until("the page says that the token is wrong", async () =>
      (await page.locator("#sign-in-message").innerText()).includes("This token does not exist")
    )
    await signInWith(token)
    await page.locator("#connection[data-state=live]").waitFor()
    expect(await page.locator("#sign-in[open]").count()).toBe(0)
    expect(await page.evaluate("document.cookie")).toBe("")
    await page.reload()
    await page.locator("#connection[data-state=live]").waitFor()
  })

  it("the token of a person in support opens accounts, and no view or button that the token does not allow", async () => {
    const scopes = ["users:read", "rules:read", "alerts:read"]
    const narrow = await tokens.create({ scopes, users: { only: ["ann"] } })
    await until("the edge knows the token", async () =>
      (await service.get("/session", bearer(narrow))).body.includes('"some"')
    )
    const asked: Array<string> = []
    const other = await browser.newContext({ extraHTTPHeaders: bearer(narrow) })
    const support = await other.newPage()
    support.on("request", (request) => asked.push(new URL(request.url()).pathname))
    await support.goto(`http://127.0.0.1:${server.port}/#view=operate&user=ann`)
    await support.locator("#user-account").waitFor()
    expect(await support.locator("#to-operate, #operate, #connection, #rule-new, #webhook").count()).toBe(5)
    for (const hidden of ["#to-operate", "#operate", "#connection", "#rule-new", "#webhook"]) {
      expect({ hidden, isVisible: await support.locator(hidden).isVisible() }).toEqual({ hidden, isVisible: false })
    }
    expect(asked.filter((path) => /status|rejected|metrics|^\/feed/.test(path))).toEqual([])
    await other.close()
  })

  it("the dashboard asks for another token when its token is revoked", async () => {
    await tokens.revoke(token)
    await page.locator("#sign-in[open]").waitFor()
    expect(await page.locator("#sign-in-message").innerText()).toBe("The token has ended. Sign in with another one.")
    const other = await tokens.create()
    await until("the edge knows the token", async () => (await service.get("/status", bearer(other))).status === 200)
    await signInWith(other)
    await page.locator("#connection[data-state=live]").waitFor()
  })

  it("a person who signs out is asked for a token", async () => {
    await page.locator("#sign-out").click()
    await page.locator("#sign-in[open]").waitFor()
    expect((await page.context().cookies()).map(({ name }) => name)).toEqual([])
  })
})
