import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { browserNeeded, keepScreenshot, launchChromium, screenshots } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startJudge, type TestJudge } from "../../src/harness/system/TestLedger.ts"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe(`rules and alerts on the dashboard (pictures in ${screenshots})`, needs(browserNeeded), () => {
  const service = useService()
  let server: TestServer
  let browser: Browser
  let judge: TestJudge
  let page: Page
  /** The errors and warnings of the browser. */
  let complaints: Array<string> = []
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
    judge = await startJudge(service.settings)
  })
  afterAll(async () => {
    await judge?.stop()
    await browser?.close()
    await server?.close()
  })
  beforeEach(() => {
    complaints = []
  })

  const open = async (userId: string, width = 1_440, options: Parameters<Browser["newPage"]>[0] = {}) => {
    await browser.contexts().at(0)?.close()
    page = await browser.newPage({ viewport: { width, height: 900 }, timezoneId: "UTC", ...options })
    page.setDefaultTimeout(15_000)
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${server.port}/#${new URLSearchParams({ user: userId })}`)
    await page.locator("#user-account").waitFor()
  }

  const buy = (userId: string, purchaseId: string, more: Record<string, unknown> = {}) =>
    service.post(purchaseText({ userId, purchaseId, ...more }), { prefer: "wait=10" })

  const putRule = async (userId: string, ruleId: string, rule: object) => {
    const body = JSON.stringify(rule)
    const headers = { "content-type": "application/json" }
    const path = `/users/${userId}/rules/${encodeURIComponent(ruleId)}`
    const { status } = await service.edge.app.request(path, { method: "PUT", body, headers })
    expect(status).toBe(201)
  }

  const textOf = async (selector: string): Promise<string> => (await page.locator(selector).innerText()).trim()
  const untilText = (selector: string, expected: string | RegExp) =>
    until(`${selector} is ${String(expected)}`, async () => {
      const text = (await page.locator(selector).innerText()).trim()
      return typeof expected === "string" ? text === expected : expected.test(text)
    }).catch(async (failure: unknown) => {
      throw new Error(`${String(failure)}; it is ${await textOf(selector)}`)
    })

  it("while a person enters a new rule, the page shows it as a sentence and tests it; later its alerts appear", async () => {
    for (let index = 0; index < 3; index += 1) await buy("ann", `old-${index}`, { value: 100 })
    await open("ann")
    await untilText("#rules-empty", "This user has no rules.")
    await untilText("#alerts-empty", "No rule of this user has fired.")
    await page.getByRole("button", { name: "New rule" }).click()
    await untilText("#rule-words", "Alert when your spending on anything in 7 days reaches 200.00 USD.")
    await untilText("#rule-fired", "It would have fired once in 30 days, on 3 purchases.")

    await page.getByLabel("Name", { exact: true }).fill("large")
    await page.getByLabel("Figure").selectOption("total")
    expect(await page.getByLabel("Within").isVisible()).toBe(false)
    await page.getByLabel("Of what").selectOption("product")
    await page.getByLabel("Its name").fill("Lamp")
    await page.getByLabel("Threshold").fill("150.00")
    await untilText("#rule-words", 'Alert when you buy "Lamp" for 150.00 USD or more in one purchase.')
    await untilText("#rule-fired", "It would have fired 3 times in 30 days, on 3 purchases.")
    await keepScreenshot(page, "rules-form")
    await page.getByRole("button", { name: "Save rule" }).click()
    await untilText("#rules .sentence", 'Alert when you buy "Lamp" for 150.00 USD or more in one purchase.')
    await untilText("#rules-note", "1 rule, 1 switched on")
    expect(await textOf("#rules .note")).toBe("large · has not fired · Remove")
    expect(await page.locator("#rule-form").isVisible()).toBe(false)

    await buy("ann", "new-1", { value: 100 })
    await untilText("#alerts tbody td:nth-child(2)", "large")
    const cells = await page.locator("#alerts tbody tr").first().locator("td").allInnerTexts()
    expect(cells.slice(1)).toEqual(["large", "200.00", "2 × Lamp", "new-1"])
    await untilText("#rules .note", /^large · last fired \d\d \w+ \d{4}, \d\d:\d\d:\d\d UTC · Remove$/)
    await page.locator("#alerts").getByRole("link", { name: "new-1" }).click()
    await page.locator("#receipt dd").first().waitFor()
    expect(complaints).toEqual([])
  })

  it("a rule is switched off and on, and is removed", async () => {
    await putRule("bob", "many", { measure: "count", is: "greater-or-equal", threshold: 1 })
    await open("bob")
    await untilText("#rules .sentence", /^Alert when your number of purchases of anything in all is 1 or more/)
    const toggle = page.getByRole("switch", { name: "many is switched on" })
    await toggle.press("Space")
    await untilText("#rules-note", "1 rule, 0 switched on")
    expect(await toggle.isChecked()).toBe(false)
    expect(await page.evaluate("document.activeElement.id")).toBe("rule-on-0")
    const { rule } = JSON.parse((await service.get("/users/bob/rules/many")).body) as { rule: { enabled: boolean } }
    expect(rule).toMatchObject({ enabled: false, threshold: 1 })
    await page.reload()
    await untilText("#rules-note", "1 rule, 0 switched on")
    await toggle.check()
    await untilText("#rules-note", "1 rule, 1 switched on")
    await buy("bob", "b1")
    await untilText("#alerts tbody td:nth-child(3)", "0 → 1")
    await page.getByRole("button", { name: "Remove many" }).click()
    await untilText("#rules-empty", "This user has no rules.")
    expect((await service.get("/users/bob/rules/many")).status).toBe(404)
    expect(complaints).toEqual([])
  })

  it("the page does not switch a rule that somebody else has changed, and shows the changed rule", async () => {
    await putRule("cid", "shared", { measure: "total", is: "equal", threshold: 5 })
    await open("cid")
    await untilText("#rules-note", "1 rule, 1 switched on")
    const body = JSON.stringify({ measure: "total", is: "equal", threshold: 6 })
    const headers = { "content-type": "application/json" }
    await service.edge.app.request("/users/cid/rules/shared", { method: "PUT", body, headers })
    await page.getByRole("switch").press("Space")
    await untilText("#rules-message", /ETag/)
    await untilText("#rules .sentence", /for exactly 6\.00 USD/)
    expect(await page.getByRole("switch").isChecked()).toBe(true)
  })

  it("the page shows a refusal in the words of the service, and a new rule under a used id replaces no rule", async () => {
    await putRule("dora", "taken", { measure: "total", is: "equal", threshold: 5 })
    await open("dora")
    await page.getByRole("button", { name: "New rule" }).click()
    await page.getByLabel("Threshold").fill("0")
    await untilText("#rule-fired", /^threshold must be from 0\.01 to .*, and is 0\.$/)
    expect(await textOf("#rule-words")).toBe("")
    await page.getByLabel("Threshold").fill("1.234")
    await untilText("#rule-fired", "Fill in the rule to see how often it would have fired.")
    await page.getByLabel("Threshold").fill("10")
    await untilText("#rule-fired", /^It would have fired 0 times/)
    await page.getByLabel("Name", { exact: true }).fill("taken")
    await page.getByRole("button", { name: "Save rule" }).click()
    await untilText("#rule-refused", /ETag "1"/)
    expect(await textOf("#rule-fired")).toMatch(/^It would have fired 0 times/)
    expect(await page.locator("#rules li").count()).toBe(1)
  })

  it("names of rules and products are shown as they are, even if they look like HTML", async () => {
    const product = `<img src=x onerror="window.hacked=1">`
    await putRule("eve", "<b>bold", { measure: "quantity", is: "equal", threshold: 2, product })
    await open("eve")
    await buy("eve", "e1", { productName: product })
    await untilText("#alerts tbody td:nth-child(2)", "<b>bold")
    expect(await textOf("#rules .sentence")).toContain(product)
    expect(await textOf("#alerts tbody td:nth-child(4)")).toBe(`2 × ${product}`)
    expect(await page.evaluate("window.hacked")).toBeUndefined()
    expect(complaints).toEqual([])
  })

  it("an alert about somebody else's purchase names the buyer", async () => {
    await putRule("ivy", "others", { who: "all", measure: "quantity", is: "equal", threshold: 77 })
    await open("ivy")
    await buy("jon", "j1", { quantity: 77 })
    await untilText("#alerts tbody td:nth-child(4)", "77 × Lamp by jon")
  })

  it("alerts are shown page by page", async () => {
    await putRule("fay", "each", { measure: "total", is: "greater-or-equal", threshold: 1 })
    for (let index = 0; index < 12; index += 1) await buy("fay", `f${index}`)
    await until("all alerts are stored", async () => {
      const { alerts } = JSON.parse((await service.get("/users/fay/alerts")).body) as { alerts: Array<unknown> }
      return alerts.length === 12
    })
    await open("fay")
    await untilText("#alerts tbody tr:first-child td:last-child", "f11")
    expect(await page.locator("#alerts tbody tr").count()).toBe(10)
    await page.locator("#alerts-older").click()
    await untilText("#alerts tbody tr:last-child td:last-child", "f0")
    expect(await page.locator("#alerts-older").isDisabled()).toBe(true)
    await page.locator("#alerts-newest").click()
    await untilText("#alerts tbody tr:first-child td:last-child", "f11")
  })

  it.each([
    ["light", 1_440],
    ["dark", 1_440],
    ["light", 390],
    ["dark", 390]
  ] as const)("rules and alerts are readable when the page is %s and %i points wide", async (colorScheme, width) => {
    const user = `gus-${colorScheme}-${width}`
    await putRule(user, "electronics-weekly", {
      measure: "spent",
      within: "P7D",
      threshold: 200,
      productType: "Office"
    })
    await putRule(user, "cheap-laptops", {
      who: "all",
      measure: "value",
      is: "less-or-equal",
      threshold: 900,
      product: "Laptop"
    })
    await putRule(user, "off", {
      measure: "count",
      within: { by: "day", timeZone: "UTC" },
      threshold: 3,
      enabled: false
    })
    for (let index = 0; index < 4; index += 1) {
      await buy(user, `p${index}`, { value: 60, productName: index % 2 === 0 ? "Laptop" : "Desk" })
    }
    await open(user, width, { colorScheme, ...(width < 500 ? { isMobile: true, hasTouch: true } : {}) })
    await page.locator("#alerts tbody tr").first().waitFor()
    await page.getByRole("button", { name: "New rule" }).click()
    await untilText("#rule-fired", /^It would have fired/)
    expect(await page.evaluate("[innerWidth, document.documentElement.scrollWidth]")).toEqual([width, width])
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, `rules-${colorScheme}-${width}`)
    expect(complaints).toEqual([])
  })

  it("a tile shows the delay of the judging, both while no judge runs and after a judge is back", async () => {
    await open("gil")
    await untilText("#lag", "0")
    expect(await textOf("#lag-note")).toBe("no purchase waits for its alerts")
    await judge.stop()
    await buy("gil", "g1")
    await untilText("#lag", /^[1-9]|^0\.[1-9]/)
    expect(await textOf("#lag-note")).toBe("since the oldest purchase that rules have not judged")
    judge = await startJudge(service.settings)
    await untilText("#lag", "0")
  })
})
