import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

const run = promisify(execFile)

describe("the two views of the page", needs(browserNeeded), () => {
  const service = useService()
  let server: TestServer
  let browser: Browser
  let page: Page
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
    for (let number = 1; number <= 25; number += 1) {
      await service.post(purchaseText({ userId: "bob", purchaseId: `b${number}` }), { prefer: "wait=10" })
    }
    await service.post(purchaseText({ userId: "o'neil", purchaseId: "it's" }), { prefer: "wait=10" })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  const open = async (hash: string, width = 1_440, height = 900): Promise<void> => {
    await browser.contexts().at(0)?.close()
    const context = await browser.newContext({ viewport: { width, height }, timezoneId: "UTC" })
    await context.grantPermissions(["clipboard-read", "clipboard-write"])
    page = await context.newPage()
    page.setDefaultTimeout(15_000)
    await page.goto(`http://127.0.0.1:${server.port}/${hash}`)
  }

  const untilText = (selector: string, expected: string) =>
    until(`${selector} is ${expected}`, async () => (await page.locator(selector).innerText()).trim() === expected)
  const hashOf = () => new URL(page.url()).hash

  it.each([
    [1_440, 900],
    [390, 844]
  ])("a user is found at %i×%i without scrolling, and the field of the user has the focus", async (width, height) => {
    await open("", width, height)
    await until("the look-up has the focus", () => page.evaluate<boolean>("document.activeElement.id === 'user-id'"))
    await page.keyboard.type("bob")
    await page.keyboard.press("Enter")
    await untilText("#user-total", "625.00")
    for (const part of ["#user-id", "#user-name", "#user-total", "#user-count"]) {
      const box = await page.locator(part).boundingBox()
      expect({ part, isShown: box !== null && box.y >= 0 && box.y + box.height <= height }).toEqual({
        part,
        isShown: true
      })
    }
    expect(await page.evaluate("scrollY")).toBe(0)
  })

  it("the address holds the user, the windows of spending, the page and the receipt, and shows them again", async () => {
    await open("")
    await page.getByRole("textbox", { name: "User" }).fill("bob")
    await page.getByRole("button", { name: "Show" }).click()
    await untilText("#history-note", "25 to 16 of 25")
    expect(hashOf()).toBe("#user=bob")
    await page.getByLabel("Months").check()
    await page.locator("#spending-chart ol[aria-label*='12 months']").waitFor()
    await page.locator("#history-older").click()
    await untilText("#history-note", "15 to 6 of 25")
    await page.getByRole("link", { name: "b9", exact: true }).click()
    await page.locator("#receipt dd").first().waitFor()
    expect(hashOf()).toMatch(/^#user=bob&by=month&page=[^&]+&receipt=b9$/)

    const address = page.url()
    await open("")
    await page.goto("about:blank")
    await page.goto(address)
    await page.locator("#receipt dd").first().waitFor()
    await untilText("#history-note", "15 to 6 of 25")
    await page.locator("#spending-chart ol[aria-label*='12 months']").waitFor()
    expect(await page.locator("#receipt dd").first().innerText()).toBe("b9")
    expect(await page.title()).toBe("bob · Purchase ledger")
  })

  it("Back and Forward lead through the states of the page", async () => {
    await open("#user=bob")
    await untilText("#history-note", "25 to 16 of 25")
    await page.locator("#history-older").click()
    await untilText("#history-note", "15 to 6 of 25")
    await page.getByRole("link", { name: "b9", exact: true }).click()
    await page.locator("#receipt dd").first().waitFor()
    await page.goBack()
    await page.locator("#receipt").waitFor({ state: "hidden" })
    await page.locator("#to-operate").click()
    await page.locator("#health[data-state]").waitFor()
    expect(await page.title()).toBe("Operate · Purchase ledger")
    await page.goBack()
    await untilText("#history-note", "15 to 6 of 25")
    await page.goBack()
    await untilText("#history-note", "25 to 16 of 25")
    await page.goForward()
    await untilText("#history-note", "15 to 6 of 25")
    await page.goForward()
    await page.locator("#operate").waitFor()
    expect(await page.locator("#support").isVisible()).toBe(false)
  })

  it("the operator sees how many messages wait, and how long the oldest of them has waited", async () => {
    await open("#view=operate")
    await page.route("**/status", async (route) => {
      const response = await route.fetch()
      const status = (await response.json()) as { partitions: Array<object> }
      const partitions = status.partitions.map((partition) => ({ ...partition, waitingMessages: 6 }))
      return route.fulfill({ response, json: { ...status, partitions, oldestWaitingMilliseconds: 12_345 } })
    })
    await untilText("#waiting", "12")
    await untilText("#waiting-edge", "the oldest for 12 s, and 0 purchases at this edge")
    await page.unrouteAll({ behavior: "ignoreErrors" })
  })

  it("in the live stream, a click on a user opens the account, and a click on a purchase opens the receipt", async () => {
    await open("#view=operate")
    await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
    await service.post(purchaseText({ userId: "eve", purchaseId: "e1" }), { prefer: "wait=10" })
    await page.locator("#newest").getByRole("link", { name: "eve", exact: true }).click()
    await untilText("#user-name", "eve")
    expect(hashOf()).toBe("#user=eve")
    await page.goBack()
    await page.locator("#newest").getByRole("link", { name: "25.00: receipt of e1" }).click()
    await page.locator("#receipt dd").first().waitFor()
    await untilText("#user-name", "eve")
    expect(hashOf()).toBe("#user=eve&receipt=e1")
  })

  it("a copied curl command asks for the shown data, even for ids with quotes, and a copied id is the id", async () => {
    await open(`#${new URLSearchParams({ user: "o'neil", receipt: "it's" })}`)
    await page.locator("#receipt dd").first().waitFor()
    const copied = async (selector: string) => {
      await page.locator(selector).click()
      await page.locator(selector, { hasText: "Copied" }).waitFor()
      return page.evaluate<string>("navigator.clipboard.readText()")
    }
    expect(await copied("#copy-receipt")).toBe("it's")
    const receipt = await run("bash", ["-c", `${await copied("#copy-receipt-curl")} --silent --fail`])
    expect(JSON.parse(receipt.stdout)).toMatchObject({ userId: "o'neil", purchaseId: "it's" })
    await page.keyboard.press("Escape")
    expect(await copied("#copy-user")).toBe("o'neil")
    const total = await run("bash", ["-c", `${await copied("#copy-total")} --silent --fail`])
    expect(total.stdout).toBe((await service.get("/users/o'neil/total")).body)
    const history = await run("bash", ["-c", `${await copied("#copy-history")} --silent --fail`])
    expect(history.stdout).toBe((await service.get("/users/o'neil/purchases?limit=10")).body)
  })

  it("an account without entries has a notice instead of filters, buttons of pages and a table of spending", async () => {
    await open("#user=Bob")
    await page.locator("#user-account").waitFor()
    await untilText("#history-empty", "No purchase of this user was applied.")
    await untilText(
      "#user-unknown",
      "No purchase of this user was ever applied. Check the spelling: capital letters count."
    )
    const parts = ["#filters", "#copy-history", "#history-newest", "#history-older", "#spending-chart details"]
    for (const part of parts) {
      expect({ part, isShown: await page.locator(part).isVisible() }).toEqual({ part, isShown: false })
    }
    await page.getByRole("textbox", { name: "User" }).fill("bob")
    await page.keyboard.press("Enter")
    await untilText("#history-note", "25 to 16 of 25")
    for (const part of parts) await page.locator(part).waitFor()
  })

  it("a list of one page has no buttons of pages", async () => {
    await open("#user=o'neil")
    await page.locator("#user-account").waitFor()
    await untilText("#history-note", "1 to 1 of 1")
    for (const part of ["#history-newest", "#history-older", "#alerts-newest", "#alerts-older"]) {
      expect({ part, isShown: await page.locator(part).isVisible() }).toEqual({ part, isShown: false })
    }
  })

  it("a phone shows the whole id of a purchase, so that ids which differ in their ends are told apart", async () => {
    for (const purchaseId of ["order-2026-1001", "order-2026-1002"]) {
      await service.post(purchaseText({ userId: "fay", purchaseId }), { prefer: "wait=10" })
    }
    await open("#user=fay", 390, 844)
    await page.locator("#user-account").waitFor()
    await untilText("#history-note", "2 to 1 of 2")
    const cut = await page.evaluate(`
      [...document.querySelectorAll("#history tbody a")]
        .filter((link) => link.scrollWidth > link.clientWidth || link.scrollHeight > link.clientHeight + 1)
        .map((link) => link.textContent)`)
    expect(cut).toEqual([])
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390)
  })

  it("the view of the operator says what is not known before the service has answered", async () => {
    await browser.contexts().at(0)?.close()
    page = await browser.newPage({ viewport: { width: 1_440, height: 900 } })
    await page.route("**/status", (route) => route.abort())
    await page.goto(`http://127.0.0.1:${server.port}/#view=operate`)
    await untilText("#health-heading", "The state of the service is not known")
    const texts = await page.locator("#operate .empty:visible").allInnerTexts()
    expect(texts).toEqual(
      expect.arrayContaining([
        "Workers are not known yet.",
        "Judges are not known yet.",
        "Partitions are not known yet.",
        "Errors are not known yet."
      ])
    )
    await page.unrouteAll({ behavior: "ignoreErrors" })
    await page.locator("#partitions li").first().waitFor()
    const after = await page.locator("#operate .empty:visible").allInnerTexts()
    expect(after.filter((text) => text.endsWith("not known yet."))).toEqual([])
  })

  it("a page without DEMO has no buttons that store purchases", async () => {
    await open("#user=bob")
    await untilText("#user-total", "625.00")
    expect(await page.getByRole("button", { name: /generate|duplicate/i }).count()).toBe(0)
    expect(await page.locator("#actions").count()).toBe(0)
  })
})
