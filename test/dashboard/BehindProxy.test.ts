import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { type PrefixProxy, startPrefixProxy } from "../support/PrefixProxy.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("the dashboard below a proxy's prefix", needs(browserNeeded), () => {
  const service = useService({ environment: { PATH_PREFIX: "/ledger" } })
  let server: TestServer
  let proxy: PrefixProxy
  let browser: Browser
  let page: Page
  beforeAll(async () => {
    server = await serve(service.edge.app)
    proxy = await startPrefixProxy(server.port, "/ledger")
    browser = await launchChromium()
    page = await browser.newPage()
    page.setDefaultTimeout(15_000)
  })
  afterAll(async () => {
    await browser?.close()
    await proxy?.close()
    await server?.close()
  })

  const buy = (userId: string, purchaseId: string) =>
    service.post(purchaseText({ userId, purchaseId }), { prefer: "wait=10" })
  const shown = () => page.locator("#newest tbody tr").count()

  it("the dashboard below a prefix shows applied purchases, and pages through a history", async () => {
    for (let number = 1; number <= 12; number += 1) await buy("bob", `b${number}`)
    await page.goto(`${proxy.url}/#user=bob`)
    await page.locator("#connection[data-state=live]").waitFor()
    await page.locator("#user-account").waitFor()
    await page.locator("#history-older").click()
    await until(
      "the older page is shown",
      async () => (await page.locator("#history-note").innerText()) === "2 to 1 of 12"
    )
    await page.locator("#to-operate").click()
    await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
    await buy("ann", "n1")
    await until("it is shown", async () => (await shown()) === 1)
    expect(proxy.paths.filter((path) => !path.startsWith("/ledger/"))).toEqual([])
  })

  it("the dashboard below a prefix shows purchases of the time when a proxy answered its feed with 502", async () => {
    proxy.refuse(/^\/ledger\/feed/, 2)
    for (const purchaseId of ["n2", "n3"]) await buy("ann", purchaseId)
    await until("all are shown", async () => (await shown()) === 3)
    const asked = proxy.paths.filter((path) => path.startsWith("/ledger/feed"))
    expect(asked.slice(1)).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/\?lastEventId=\d+(?:\.\d+)?$/))
    )
  })
})
