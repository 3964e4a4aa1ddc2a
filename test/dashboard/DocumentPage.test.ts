import axe from "axe-core"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { documentPage } from "../../src/edge/route/DocumentPage.ts"
import { openApi } from "../../src/edge/route/OpenApi.ts"
import { routes } from "../../src/edge/server/Routes.ts"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { browserNeeded, keepScreenshot, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"

/** The page is long, and axe checks each element of it. */
const axeMillisecondsMax = 180_000

describe("the page /docs in a browser", needs(browserNeeded), () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  const open = async (width: number, height: number, colorScheme: "light" | "dark") => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme })
    await page.setContent(documentPage(openApi(routes), ""))
    return page
  }

  it.each([
    [1_440, 900],
    [700, 900],
    [390, 844],
    [320, 640]
  ])("the page /docs does not scroll sideways at %i×%i", async (width, height) => {
    const page = await open(width, height, "light")
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width)
    await page.close()
  })

  it.each([
    [1_440, 900, "light"],
    [390, 844, "dark"]
  ] as const)(
    "the page /docs has no violation that axe finds at %i×%i, %s",
    async (width, height, colorScheme) => {
      const page = await open(width, height, colorScheme)
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate<axe.AxeResults>("axe.run()")
      expect(violations.map(({ id, nodes }) => [id, nodes.length, nodes[0]?.html])).toEqual([])
      expect(await accessibilityMistakes(page)).toEqual([])
      await keepScreenshot(page, `docs-${width}-${colorScheme}`)
      await page.close()
    },
    axeMillisecondsMax
  )
})
