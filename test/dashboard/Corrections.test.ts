import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("reversals and filters on the page", needs(browserNeeded), () => {
  const service = useService()
  let server: TestServer
  let browser: Browser
  let page: Page
  /** The bodies of the reversals that the page has sent. */
  let sent: Array<unknown>
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  const open = async (state: Record<string, string>): Promise<void> => {
    await browser.contexts().at(0)?.close()
    page = await browser.newPage({ viewport: { width: 1_440, height: 900 }, timezoneId: "Europe/Berlin" })
    page.setDefaultTimeout(15_000)
    sent = []
    page.on("request", (request) => {
      if (request.method() === "POST") sent.push(request.postDataJSON())
    })
    await page.goto(`http://127.0.0.1:${server.port}/#${new URLSearchParams(state)}`)
    await page.locator("#user-account").waitFor()
  }

  const buy = (userId: string, purchaseId: string, more: Record<string, unknown> = {}) =>
    service.post(purchaseText({ userId, purchaseId, ...more }), { prefer: "wait=10" })
  const untilText = (selector: string, expected: string | RegExp) =>
    until(`${selector} is ${String(expected)}`, async () => {
      const text = (await page.locator(selector).innerText()).trim()
      return typeof expected === "string" ? text === expected : expected.test(text)
    })
  const fillIn = async (pieces: string, reason: string): Promise<void> => {
    await page.locator("#reversal-open").click()
    await page.getByLabel("Pieces to take back").fill(pieces)
    await page.getByLabel("Reason").fill(reason)
    await page.getByLabel("Reason").press("Enter")
  }

  it("a reversal is sent only after it was shown and confirmed, and changes the receipt, total and history", async () => {
    await buy("ann", "a1", { quantity: 3 })
    await open({ user: "ann", receipt: "a1" })
    await fillIn("2", "The parcel came back")
    await untilText("#reversal-sentence", "Take back 2 pieces of Lamp (1 then left), 25.00 USD.")
    await untilText("#reversal-whose", "From the account of ann, purchase a1. Reason: The parcel came back")
    // The page sends nothing before the second look.
    expect(sent).toEqual([])
    expect(await page.evaluate("document.activeElement.id")).toBe("reversal-send")
    await page.getByRole("button", { name: "Change it" }).click()
    await page.getByLabel("Pieces to take back").fill("1")
    await page.getByRole("button", { name: "Look again" }).click()
    await untilText("#reversal-sentence", "Take back 1 piece of Lamp (2 then left), 12.50 USD.")
    expect(sent).toEqual([])
    await page.getByRole("button", { name: "Send the reversal" }).click()
    await untilText("#reversal-message", "It is reversed. The total is 25.00 USD.")
    expect(sent).toEqual([{ reversalId: expect.any(String), quantity: 1, reason: "The parcel came back" }])
    await untilText("#receipt-reversals li", /: 1 piece, -12\.50 USD\. The parcel came back /)
    expect(await page.locator("#receipt-members").innerText()).toContain("1 piece, 2 left")
    await page.keyboard.press("Escape")
    await untilText("#user-total", "25.00")
    await untilText("#user-count", "1 purchase and 1 reversal, exact and current")
    const row = page.locator("#history tbody tr").first()
    expect((await row.locator("td").allInnerTexts()).slice(3, 6)).toEqual(["-1", "-12.50", "25.00"])
    expect(await row.locator("td").nth(2).innerText()).toMatch(/^Lamp Reversal\s+The parcel came back$/)
  })

  it("a reversal whose answer was lost is sent again under its id, and counts once", async () => {
    await buy("bea", "b1", { quantity: 2 })
    await open({ user: "bea", receipt: "b1" })
    await page.route(
      "**/reversals",
      async (route) => {
        await route.fetch()
        return route.abort()
      },
      { times: 1 }
    )
    await fillIn("1", "Sent twice")
    await page.locator("#reversal-send").click()
    await untilText("#reversal-message", "The service cannot be reached.")
    await page.locator("#reversal-send").click()
    await untilText("#reversal-message", "It is reversed. The total is 12.50 USD.")
    const [first, second] = sent
    expect(second).toEqual(first)
    const { reversed } = JSON.parse((await service.get("/users/bea/purchases/b1")).body) as { reversed: number }
    expect(reversed).toBe(1)
  })

  it("the page says why the service refuses a reversal, and offers no reversal when no piece is left", async () => {
    await buy("cid", "c1", { quantity: 2 })
    await open({ user: "cid", receipt: "c1" })
    await fillIn("2", "All of it")
    const headers = { "content-type": "application/json", prefer: "wait=10" }
    const body = JSON.stringify({ quantity: 1, reason: "Somebody else was first" })
    const path = "/users/cid/purchases/c1/reversals"
    expect((await service.edge.app.request(path, { method: "POST", headers, body })).status).toBe(201)
    await page.locator("#reversal-send").click()
    await untilText("#reversal-message", /1/)
    expect(await page.locator("#reversal-message").getAttribute("data-kind")).toBe("problem")
    await service.edge.app.request(path, { method: "POST", headers, body: JSON.stringify({ reason: "The rest" }) })
    await page.reload()
    await page.locator("#receipt-reversals li").nth(1).waitFor()
    expect(await page.locator("#reversal-open").isVisible()).toBe(false)
  })

  it("filters show the entries that meet them, stay in the address, and are removed together", async () => {
    for (let number = 1; number <= 14; number += 1) {
      await buy("dan", `d${number}`, { productName: number % 2 === 0 ? "Desk" : "Lamp" })
    }
    await open({ user: "dan" })
    await untilText("#history-note", "14 to 5 of 14")
    await page.locator("#filter-product").fill("Desk")
    await page.getByRole("button", { name: "Filter" }).click()
    await untilText("#history-note", "14 to 2, filtered")
    expect(await page.locator("#history tbody tr").count()).toBe(7)
    await page.getByLabel("Order").selectOption("oldest")
    await untilText("#history-note", "2 to 14, filtered")
    expect(new URL(page.url()).hash).toBe("#user=dan&product=Desk&order=oldest")
    await page.goBack()
    await untilText("#history-note", "14 to 2, filtered")
    await page.getByRole("button", { name: "Clear" }).click()
    await untilText("#history-note", "14 to 5 of 14")
    await page.locator("#filter-product").fill("Chair")
    await page.getByRole("button", { name: "Filter" }).click()
    await untilText("#history-empty", "No entry fits the filters.")
  })

  it("a filter that is not applied yet stays in its field while the account gets purchases", async () => {
    await buy("gil", "g1")
    await open({ user: "gil" })
    await untilText("#user-count", "1 purchase, exact and current")
    await page.locator("#filter-product").fill("Desk")
    await buy("gil", "g2")
    await untilText("#user-count", "2 purchases, exact and current")
    expect(await page.locator("#filter-product").inputValue()).toBe("Desk")
    await page.locator("#user-id").fill("dan")
    await page.keyboard.press("Enter")
    await untilText("#user-name", "dan")
    expect(await page.locator("#filter-product").inputValue()).toBe("")
  })

  it("times of the filters are in the browser's zone, and the address holds the same moments in UTC", async () => {
    await buy("eva", "e1")
    await open({ user: "eva", to: "2026-07-01T10:00:00.000Z" })
    await untilText("#history-empty", "No entry fits the filters.")
    expect(await page.getByLabel(/^Before/).inputValue()).toBe("2026-07-01T12:00")
    expect(await page.locator("label[for=filter-from]").innerText()).toMatch(/^From \((CET|GMT\+1)\)$/)
    await page.getByLabel(/^Before/).fill("")
    await page.getByLabel(/^From/).fill("2026-01-05T08:30")
    await page.getByRole("button", { name: "Filter" }).click()
    await untilText("#history-note", "1 to 1, filtered")
    expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get("from")).toBe("2026-01-05T07:30:00.000Z")
  })

  it("a click on a window of spending shows the entries of that window in the history", async () => {
    await buy("fay", "f1")
    await open({ user: "fay" })
    await page.getByText("As a table").click()
    await page.locator("#spending-chart tbody a").click()
    await untilText("#history-note", "1 to 1, filtered")
    const place = new URLSearchParams(new URL(page.url()).hash.slice(1))
    const from = Date.parse(place.get("from") ?? "")
    expect(Date.parse(place.get("to") ?? "") - from).toBe(86_400_000)
    expect(Math.abs(Date.now() - from)).toBeLessThan(86_400_000)
  })
})
