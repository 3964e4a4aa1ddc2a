import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { browserNeeded, keepScreenshot, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("the dashboard without a worker", needs(browserNeeded), () => {
  const service = useService({ withoutWorker: true, environment: { PARTITIONS: "8" } })
  let server: TestServer
  let browser: Browser
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
    await service.post(purchaseText({ purchaseId: "p1" }))
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  const open = async (
    width: number,
    height: number,
    colorScheme: "light" | "dark",
    view: "support" | "operate" = "operate"
  ): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId: "UTC" })
    await page.goto(`http://127.0.0.1:${server.port}/#view=${view}`)
    await page.locator("#connection[data-state=troubled]").waitFor({ timeout: 15_000 })
    return page
  }
  const heading = "Purchases are stored, but none is applied"

  it.each([
    [1_440, 900, "light"],
    [1_440, 900, "dark"],
    [390, 844, "light"],
    [390, 844, "dark"]
  ] as const)(
    "the dashboard says at %i×%i, %s, that purchases are stored and none is applied",
    async (width, height, scheme) => {
      const page = await open(width, height, scheme)
      expect(await page.locator("#connection").innerText()).toBe("Stored, not applied")
      expect(await page.locator("#waiting").innerText()).toBe("?")
      expect(await page.locator("#health-heading").innerText()).toBe(heading)
      expect(await page.locator("#health-detail").innerText()).toBe(
        "No worker is alive. Partitions 0–7 of 8 are not applied. Stored purchases are kept, and are applied when a worker takes them."
      )
      const owners = await page.locator("#partitions .owner").allInnerTexts()
      expect(owners).toEqual(Array.from({ length: 8 }, () => "no worker reads it"))
      const box = await page.locator("#health[data-state=troubled]").boundingBox()
      expect((box?.y ?? height) + (box?.height ?? 0)).toBeLessThan(height / 2)
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
      expect(await accessibilityMistakes(page)).toEqual([])
      await keepScreenshot(page, `without-worker-${width}-${scheme}`)
      await page.close()
    }
  )

  it("the view of support says at its top that purchases are stored and none is applied", async () => {
    const page = await open(390, 844, "light", "support")
    expect(await page.locator("#health-heading").innerText()).toBe(heading)
    const [sentence, field] = [
      await page.locator("#health").boundingBox(),
      await page.locator("#user-id").boundingBox()
    ]
    expect(sentence?.y).toBeLessThan(field?.y ?? 0)
    expect((field?.y ?? 844) + (field?.height ?? 0)).toBeLessThan(844)
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, "without-worker-support")
    await page.close()
  })

  it("the dashboard says that purchases are stored and applied as soon as a worker runs", async () => {
    const page = await open(1_440, 900, "light")
    await service.startWorker()
    await until("all is well", async () => (await page.locator("#connection").innerText()) === "Stored and applied")
    expect(await page.locator("#health").getAttribute("data-state")).toBe("ok")
    expect(await page.locator("#health-heading").innerText()).toBe("Purchases are stored and applied")
    await page.close()
  })
})
