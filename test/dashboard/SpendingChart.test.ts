import axe from "axe-core"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { browserNeeded, keepScreenshot, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

/** The amounts of 30 days, with empty days, a day of reversals, and an amount that a float does not hold. */
const amounts = Array.from({ length: 30 }, (_, day) => {
  if (day === 13) return "90071992547409.93"
  if (day === 20) return "-30000000000000.01"
  return day % 7 === 2 ? "0.00" : `${7 + ((day * 37) % 53)}000000000000.${10 + day}`
})

/** Returns the answer of the service for November 2026 in Paris, written as text, so that amounts stay exact. */
const answerOf = (totals: ReadonlyArray<string>): string => {
  const windows = totals.map((total, day) => {
    const [from, to] = [day, day + 1].map((one) => `2026-11-${String(one + 1).padStart(2, "0")}T00:00:00+01:00`)
    const end = day === 29 ? "2026-12-01T00:00:00+01:00" : to
    const reversals = total.startsWith("-") ? `,"reversalCount":2` : ""
    const count = total === "0.00" ? 0 : 3
    return `{"from":"${from}","to":"${end}","total":${total},"purchaseCount":${count}${reversals}}`
  })
  return `{"by":"day","timeZone":"Europe/Paris","total":123456789012345678.91,"purchaseCount":75,"reversalCount":2,"windows":[${windows.join()}]}`
}

describe("the chart of spending", needs(browserNeeded), () => {
  const service = useService()
  let server: TestServer
  let browser: Browser
  let page: Page
  /** The queries for spending that the page sent, and the amounts of the answers. */
  let asked: Array<URLSearchParams>
  let answered: ReadonlyArray<string>
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
    await service.post(purchaseText({ userId: "ann", purchaseId: "a1" }), { prefer: "wait=10" })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  const open = async (options: Parameters<Browser["newPage"]>[0] = {}, totals = amounts): Promise<void> => {
    await browser.contexts().at(0)?.close()
    page = await browser.newPage({
      viewport: { width: 1_440, height: 900 },
      timezoneId: "Europe/Paris",
      ...options
    })
    page.setDefaultTimeout(15_000)
    asked = []
    answered = totals
    await page.route("**/spending?*", (route) => {
      asked.push(new URL(route.request().url()).searchParams)
      return route.fulfill({ contentType: "application/json", body: answerOf(answered) })
    })
    await page.goto(`http://127.0.0.1:${server.port}/#user=ann`)
    await page.locator("#spending-chart figure").waitFor()
    await page.locator("#user-account").waitFor()
  }

  /** The places of parts of the chart at one moment. */
  const boxesOf = (...selectors: ReadonlyArray<string>) =>
    page.evaluate<Array<{ left: number; right: number; top: number; bottom: number; width: number }>>(
      `${JSON.stringify(selectors)}.map((one) => document.querySelector("#spending-chart " + one).getBoundingClientRect().toJSON())`
    )
  const caption = () => page.locator("#spending-chart figcaption").innerText()
  const shownLabels = () => page.locator("#spending-chart .labels span:visible").allInnerTexts()
  const said = "123,456,789,012,345,678.91 USD in 75 purchases and 2 reversals over 30 days, Europe/Paris"

  it.each([
    [1_440, 900, "light"],
    [1_440, 900, "dark"],
    [390, 844, "light"],
    [390, 844, "dark"]
  ] as const)("the chart has its axes and exact values at %i×%i, %s", async (width, height, colorScheme) => {
    const phone = width < 500 ? { isMobile: true, hasTouch: true } : {}
    await open({ viewport: { width, height }, colorScheme, ...phone })
    expect(asked[0]?.get("timeZone")).toBe("Europe/Paris")
    expect(await page.locator("#spending-chart .amounts span").allInnerTexts()).toEqual(["-50T", "0", "50T", "100T"])
    expect(await shownLabels()).toEqual(
      width < 500
        ? ["6 Nov", "14 Nov", "22 Nov", "30 Nov"]
        : ["2 Nov", "6 Nov", "10 Nov", "14 Nov", "18 Nov", "22 Nov", "26 Nov", "30 Nov"]
    )
    expect(await page.locator("#spending-chart .peak").innerText()).toBe("90,071,992,547,409.93")
    expect(await caption()).toBe(said)
    await page.getByText("As a table").click()
    const rows = await page.locator("#spending-chart tr").allInnerTexts()
    expect(rows.length).toBe(28)
    expect(rows.map((row) => row.split("\t"))).toEqual(
      expect.arrayContaining([
        ["Day", "Entries", "Amount, USD"],
        ["14 Nov 2026", "3 purchases", "90,071,992,547,409.93"],
        ["21 Nov 2026", "3 purchases and 2 reversals", "-30,000,000,000,000.01"],
        ["All 30 days", "75 purchases and 2 reversals", "123,456,789,012,345,678.91"]
      ])
    )
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
    expect(await accessibilityMistakes(page)).toEqual([])
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate<axe.AxeResults>("axe.run()")
    expect(violations.map(({ id }) => id)).toEqual([])
    await keepScreenshot(page, `spending-${width}-${colorScheme}`)
  })

  it("each bar stands at its amount between the lines of the axis", async () => {
    await open()
    const boxes = await boxesOf(".plot", ".rule.zero", "li:nth-child(14) .bar", "li:nth-child(21) .bar")
    const [plot, zero, high, back] = boxes
    /** Returns the amount in trillions that stands at a place, to a whole trillion. */
    const amountAt = (place = Number.NaN) =>
      Math.round(100 - ((place - (plot?.top ?? 0)) / ((plot?.bottom ?? 0) - (plot?.top ?? 0))) * 150)
    expect(amountAt(zero?.top)).toBe(0)
    expect([amountAt(high?.top), amountAt(high?.bottom)]).toEqual([90, 0])
    expect([amountAt(back?.top), amountAt(back?.bottom)]).toEqual([0, -30])
  })

  it("bars and bars of reversals have colours of their own in light, in dark, and in colours that a person forces", async () => {
    await open({ colorScheme: "light" })
    const colourOf = (selector: string) =>
      page.evaluate<string>(`getComputedStyle(document.querySelector("#spending-chart ${selector}")).backgroundColor`)
    const looks = []
    for (const look of [{ colorScheme: "light" }, { colorScheme: "dark" }, { forcedColors: "active" }] as const) {
      await page.emulateMedia(look)
      looks.push([await colourOf(".bar:not(.back)"), await colourOf(".bar.back")])
    }
    const [light, dark, forced] = looks
    expect(light).toEqual(["rgb(87, 83, 198)", "rgb(143, 74, 6)"])
    expect(dark).toEqual(["rgb(165, 162, 245)", "rgb(242, 178, 107)"])
    const ground = await page.evaluate<string>("getComputedStyle(document.querySelector('.spending')).backgroundColor")
    expect(new Set([...(forced ?? []), ground]).size).toBe(3)
  })

  it("the caption has the exact amount of the window under the pointer, and of the whole time otherwise", async () => {
    await open()
    await page.locator("#spending-chart li").nth(13).hover()
    expect(await caption()).toBe("14 Nov 2026: 90,071,992,547,409.93 USD in 3 purchases")
    await page.locator("#spending-chart li").nth(2).hover()
    expect(await caption()).toBe("3 Nov 2026: 0.00 USD in 0 purchases")
    await page.locator("#spending-heading").hover()
    expect(await caption()).toBe(said)
  })

  it("the arrow keys lead from bar to bar, and Enter shows the entries of the window", async () => {
    await open()
    const name = () => page.evaluate<string | null>("document.activeElement.getAttribute('aria-label')")
    await page.getByRole("radio", { name: "Days" }).focus()
    await page.keyboard.press("Tab")
    expect(await name()).toMatch(/^30 Nov 2026: /)
    expect(await caption()).toBe(await name())
    await page.keyboard.press("Home")
    expect(await name()).toMatch(/^1 Nov 2026: /)
    await page.keyboard.press("ArrowRight")
    // The third day is empty.
    await page.keyboard.press("ArrowRight")
    expect(await name()).toMatch(/^4 Nov 2026: /)
    await page.keyboard.press("ArrowLeft")
    expect(await name()).toMatch(/^2 Nov 2026: /)
    await page.keyboard.press("Enter")
    const place = new URLSearchParams(new URL(page.url()).hash.slice(1))
    expect([place.get("from"), place.get("to")]).toEqual(["2026-11-01T23:00:00.000Z", "2026-11-02T23:00:00.000Z"])
  })

  it("equal bars are not drawn again when the account is read again", async () => {
    await open()
    await page.evaluate("window.before = document.querySelector('#spending-chart figure')")
    const before = await page.locator("#user-count").innerText()
    await service.post(purchaseText({ userId: "ann", purchaseId: "a3" }), { prefer: "wait=10" })
    await until("the account is read again", async () => (await page.locator("#user-count").innerText()) !== before)
    expect(asked.length).toBeGreaterThan(1)
    expect(await page.evaluate("window.before.isConnected")).toBe(true)
  })

  it("a bar keeps the focus when the chart is drawn again", async () => {
    await open()
    await page.locator("#spending-chart li").nth(13).locator("a").focus()
    await page.evaluate("window.before = document.activeElement")
    answered = amounts.map((total, day) => (day === 29 ? "5.00" : total))
    await service.post(purchaseText({ userId: "ann", purchaseId: "a2" }), { prefer: "wait=10" })
    await until("the chart is drawn again", () => page.evaluate<boolean>("!window.before.isConnected"))
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toMatch(/^14 Nov 2026: /)
    expect(await caption()).toBe("14 Nov 2026: 90,071,992,547,409.93 USD in 3 purchases")
  })

  it("the chart fits the page after the page has another size", async () => {
    await open()
    for (const width of [1_440, 700, 390]) {
      await page.setViewportSize({ width, height: 844 })
      const [figure, list] = await boxesOf("figure", "ol")
      expect(list?.width).toBeGreaterThan((figure?.width ?? 0) * 0.8)
      expect(list?.right).toBe(figure?.right)
      expect(figure?.right).toBeLessThan(width)
    }
  })

  it("a time without entries has no axes and no table, and says so", async () => {
    await open(
      {},
      amounts.map(() => "0.00")
    )
    expect(await page.locator("#spending-chart").innerText()).toMatch(/^Nothing was bought in this time\.\s+123,456/)
    expect(await page.locator("#spending-chart .amounts, #spending-chart .labels, #spending-chart a").count()).toBe(0)
    expect(await page.locator("#spending-chart details").isVisible()).toBe(false)
  })

  it.each([0, 29])("the amount of the highest bar stays inside the plot if the bar is number %i", async (highest) => {
    await open(
      { viewport: { width: 360, height: 844 }, isMobile: true, hasTouch: true },
      amounts.map((_, day) => (day === highest ? "10000000000.00" : "0.01"))
    )
    const [plot, peak] = await boxesOf(".plot", ".peak")
    expect(peak?.left).toBeGreaterThanOrEqual((plot?.left ?? 0) - 1)
    expect(peak?.right).toBeLessThanOrEqual((plot?.right ?? 0) + 1)
  })
})
